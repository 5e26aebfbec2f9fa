import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ProviderFailure } from '../../../../domain/failure.ts';
import { gmail } from '../../../../providers/gmail/provider.ts';
import {
  createGmailSimulator,
  type GmailSimulator,
} from '../../../../simulators/gmail/simulator.ts';
import { outgoing } from '../outgoing.ts';
import { gmailFixture, type GmailCall } from './fixture.ts';

jest.setTimeout(240_000);
const MAILS = 150;
const KINDS = ['too_many', 'unavailable', 'server_error', 'lost_answer', 'reset', 'hang', 'token_expired'] as const; // prettier-ignore
/** Far more than it takes; without it a mistake would run for ever. */
const MOST_SYNCS = 200;

describe('Gmail failing a fifth of all calls, in all its ways', () => {
  let simulator: GmailSimulator;
  beforeAll(async () => {
    simulator = await createGmailSimulator();
  });
  afterAll(async () => {
    expect(simulator.violations).toEqual([]);
    await simulator.close();
  });

  /** As the core syncs: each batch and its cursor are kept together; a failure ends the sync and another begins. */
  async function syncUntil(
    call: GmailCall,
    count: number,
    kept: { ids: string[]; cursor: unknown },
  ) {
    let unreadable = 0;
    for (let syncs = 1; ; syncs++) {
      try {
        for await (const batch of gmail.mailbox!.fetch(call, 'mail', kept.cursor)) {
          kept.ids.push(...batch.items.map(({ providerMessageId }) => providerMessageId));
          unreadable += batch.items.filter(({ meta }) => meta?.unreadable).length;
          kept.cursor = JSON.parse(JSON.stringify(batch.cursor));
        }
        if (kept.ids.length >= count) return { syncs, unreadable };
      } catch (error) {
        expect(error).toBeInstanceOf(ProviderFailure);
        expect(['retry', 'wait']).toContain((error as ProviderFailure).class);
      }
      expect(syncs).toBeLessThan(MOST_SYNCS);
    }
  }

  it(`brings ${MAILS} mails, each exactly once`, async () => {
    const { account, call, mail } = await gmailFixture(simulator);
    const { mailbox } = account;
    for (let n = 1; n <= MAILS / 3; n++) mailbox.deliver(mail(n));
    const given = call({ batch_size: 20 }, { timeoutMs: 1500 });
    simulator.faults.failSome(0.2, KINDS, 7);
    const kept = { ids: [] as string[], cursor: null as unknown };
    await syncUntil(given, MAILS / 3, kept);
    for (let n = 1; n <= MAILS / 3; n++) mailbox.deliver(mail(1000 + n));
    await syncUntil(given, (2 * MAILS) / 3, kept);
    mailbox.expireHistory();
    for (let n = 1; n <= MAILS / 3; n++) mailbox.deliver(mail(2000 + n));
    const known = (ids: readonly string[]) =>
      Promise.resolve(new Set(ids.filter((id) => kept.ids.includes(id))));
    const { unreadable } = await syncUntil({ ...given, known }, MAILS, kept);
    simulator.faults.clear();
    expect(kept.ids.toSorted()).toEqual(mailbox.messages.map(({ id }) => id).toSorted());
    expect(unreadable).toBe(0);
  });

  it('sends each of 40 answers exactly once', async () => {
    const { account, call } = await gmailFixture(simulator);
    const given = call({}, { timeoutMs: 2500 });
    simulator.faults.failSome(0.2, KINDS, 3);
    for (let n = 1; n <= 40; n++) await sendOnce(given, `own.${n}@example.test`);
    simulator.faults.clear();
    const ids = account.mailbox.sent.map((raw) => /^Message-ID: <(.*)>/m.exec(String(raw))![1]);
    expect(ids).toEqual(Array.from({ length: 40 }, (_, n) => `own.${n + 1}@example.test`));
  });

  /** As the core sends: what may have gone out is asked for before it is sent again. */
  async function sendOnce(call: GmailCall, id: string): Promise<void> {
    let inDoubt = false;
    for (let tries = 1; ; tries++) {
      try {
        if (inDoubt && (await gmail.mailbox!.findSent!(call, id))) return;
        inDoubt = false;
        await gmail.sender!.send(call, outgoing(id), () => Promise.resolve());
        return;
      } catch (error) {
        expect(error).toBeInstanceOf(ProviderFailure);
        const failure = error as ProviderFailure;
        expect(['retry', 'wait']).toContain(failure.class);
        inDoubt ||= failure.uncertain === true;
        expect(tries).toBeLessThan(50);
      }
    }
  }
});

import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Deps } from '../../activities/deps.ts';
import { createTicketActivities } from '../../activities/tickets.ts';
import { loadConfig } from '../../config/config.ts';
import { connect, inTenant, type Db } from '../../db/connection.ts';
import { ProviderFailure } from '../../domain/failure.ts';
import { newId } from '../../domain/ids.ts';
import { RightOfWay } from '../../domain/right-of-way.ts';
import type { ChannelProvider, OutgoingMessage, SendReceipt } from '../../providers/contract.ts';
import { manifest } from '../../providers/smtp/manifest.ts';
import { KeyRing } from '../../security/key-ring.ts';
import { createGuardedNetwork } from '../../security/ssrf-guard.ts';
import { createLogger } from '../../telemetry/log.ts';
import { messagesFailed } from '../../telemetry/metrics.ts';
import { testDatabase } from '../harness/index.ts';
import { openTicket, seedTenant, type Seed } from '../workflow/ticket-seed.ts';
import { ticketSteps, type TicketSteps } from '../workflow/ticket-steps.ts';

/** An outside that takes mail and fails on demand; `sentFolder` null has none to ask. */
class Outside {
  readonly delivered: OutgoingMessage[] = [];
  sentFolder: Set<string> | null = new Set();
  /** What happens to the next transmissions, in order; then all is well. */
  readonly faults: ('before' | 'after' | ProviderFailure)[] = [];
  /** The Message-ID that it puts in place of ours. */
  ownId: string | undefined;
  /** Runs between the claim and the transmission. */
  pause: () => Promise<unknown> = () => Promise.resolve();

  readonly provider = {
    manifest,
    mailbox: {
      findSent: (_call: unknown, messageId: string) =>
        Promise.resolve(this.sentFolder && this.sentFolder.has(messageId)),
    },
    sender: {
      send: (_call: unknown, message: OutgoingMessage, transmitting: () => Promise<void>) =>
        this.#send(message, transmitting),
    },
  } as unknown as ChannelProvider; // only what sending asks of a provider

  async #send(message: OutgoingMessage, transmitting: () => Promise<void>): Promise<SendReceipt> {
    await this.pause();
    await transmitting();
    const fault = this.faults.shift();
    if (fault instanceof ProviderFailure) throw fault;
    if (fault === 'before') throw new Error('killed before a byte went out');
    this.delivered.push(message);
    this.sentFolder?.add(message.messageId);
    if (fault === 'after') throw new Error('killed after the last byte');
    return { providerMessageId: null, messageId: this.ownId };
  }
}

describe('an answer is sent once', () => {
  let db: Db;
  let deps: Deps;
  let seed: Seed;
  let steps: TicketSteps;
  let ticketId: string;
  let outside: Outside;
  const keys = KeyRing.parse(KeyRing.generate());
  const network = createGuardedNetwork({ allow: [] });

  beforeAll(async () => {
    db = connect({ url: (await testDatabase()).url, poolSize: 6 });
    deps = {
      config: loadConfig({}),
      db,
      keys,
      log: createLogger('fatal'),
      way: new RightOfWay(),
      network: () => Promise.resolve(network),
      relay: {
        flush: () => Promise.resolve(),
        command: () => Promise.reject(new Error('no commands here')),
        workflowUrl: (id) => id,
      },
    };
    seed = await seedTenant(db);
    steps = ticketSteps(deps, seed.tenantId, options);
  });
  afterAll(() => db.destroy());
  beforeEach(async () => {
    outside = new Outside();
    ticketId = await openTicket(db, seed, new Date());
  });

  const options = () => ({ findProvider: () => outside.provider });
  const inDb = <T>(work: Parameters<typeof inTenant<T>>[2]) => inTenant(db, seed.tenantId, work);

  const applyReply = async (
    commandId = newId('command'),
    payload: Record<string, unknown> = { text: 'Hello.' },
  ) => (await steps.apply(ticketId, 'reply', payload, commandId)).outcome;
  const queued = () => steps.queue(ticketId, { text: 'Hello.' });
  const attempt = (messageId: string, heartbeatDetails?: unknown) =>
    steps.send(ticketId, messageId, heartbeatDetails);
  const message = (id: string) => steps.message(id);
  const events = () => steps.eventTypes(ticketId);

  it('goes to the customer, threaded, and is not sent again', async () => {
    const id = await queued();
    expect(await attempt(id)).toEqual({ status: 'sent' });
    expect(await attempt(id)).toEqual({ status: 'ended' });
    expect(outside.delivered).toHaveLength(1);
    const sent = outside.delivered[0]!;
    expect(sent).toMatchObject({
      to: [{ name: 'Ada', address: 'ada@example.com' }],
      from: { name: 'Support', address: 'help@acme.test' },
      subject: 'Re: Printer on fire',
      text: 'Hello.',
      automatic: false,
    });
    expect(sent.references[0]).toBe('root@example.com');
    expect(sent.references.at(-1)).toBe(sent.inReplyTo);
    expect(await message(id)).toMatchObject({ status: 'sent', send_phase: 'done' });
    expect(await events()).toEqual(['message.sent']);
  });

  it('is found by the Message-ID that the outside gave it in place of ours', async () => {
    outside.ownId = 'Their.1@Region.Outside.test';
    const id = await queued();
    expect(await attempt(id)).toEqual({ status: 'sent' });
    const found = await inDb((tx) =>
      tx
        .selectFrom('thread_ids')
        .select(['ticket_id', 'cited'])
        .where('message_id', '=', 'Their.1@region.outside.test')
        .execute(),
    );
    expect(found).toEqual([{ ticket_id: ticketId, cited: false }]);
    expect((await message(id)).message_id).not.toContain('outside.test');
  });

  it('killed after the last byte: the Sent folder has it, so it counts as sent', async () => {
    const id = await queued();
    outside.faults.push('after');
    await expect(attempt(id)).rejects.toThrow('killed');
    expect(await attempt(id)).toEqual({ status: 'sent' });
    expect(outside.delivered).toHaveLength(1);
    expect(await events()).toEqual(['message.sent']);
  });

  it('killed before a byte went out: the Sent folder lacks it, so it is sent again, with the same Message-ID', async () => {
    const id = await queued();
    outside.faults.push('before');
    await expect(attempt(id)).rejects.toThrow('killed');
    expect(await attempt(id)).toEqual({ status: 'sent' });
    expect(outside.delivered.map(({ messageId }) => messageId)).toEqual([
      (await message(id)).message_id,
    ]);
  });

  /** Of all providers: how many answers may or may not have gone out. */
  const uncertain = async () =>
    (await messagesFailed.get()).values
      .filter(({ labels }) => labels.reason === 'uncertain')
      .reduce((sum, { value }) => sum + value, 0);

  it('killed in transmission without a Sent folder: uncertain, told, and never sent again by itself', async () => {
    outside.sentFolder = null;
    const id = await queued();
    outside.faults.push('after');
    await expect(attempt(id)).rejects.toThrow('killed');
    const before = await uncertain();
    expect(await attempt(id)).toEqual({ status: 'uncertain' });
    expect((await uncertain()) - before).toBe(1);
    expect(await attempt(id)).toEqual({ status: 'ended' });
    expect(outside.delivered).toHaveLength(1);
    expect(await message(id)).toMatchObject({
      status: 'uncertain',
      error: { code: 'send.uncertain' },
    });
    expect(await events()).toEqual(['message.failed']);
  });

  it('an answer to the transmission that never came is asked after like a crash', async () => {
    const id = await queued();
    outside.faults.push(
      new ProviderFailure({
        code: 'smtp.timeout',
        class: 'give_up',
        message: 'no answer',
        uncertain: true,
      }),
    );
    await expect(attempt(id)).rejects.toMatchObject({ type: 'smtp.timeout', nonRetryable: false });
    expect((await message(id)).send_phase).toBe('transmitting');
    expect(await attempt(id)).toEqual({ status: 'sent' });
    expect(outside.delivered).toHaveLength(1);
  });

  it('a refusal is final where the provider says so, and is told with its reason', async () => {
    const id = await queued();
    outside.faults.push(
      new ProviderFailure({
        code: 'smtp.recipient_refused',
        class: 'give_up',
        message: 'The server refuses the recipient.',
      }),
    );
    await expect(attempt(id)).rejects.toMatchObject({
      type: 'smtp.recipient_refused',
      nonRetryable: true,
    });
    const call = { tenantId: seed.tenantId, ticketId, messageId: id };
    const activities = createTicketActivities(deps, options());
    await activities.giveUpMessage({
      ...call,
      code: 'smtp.recipient_refused',
      now: new Date().toISOString(),
    });
    await activities.giveUpMessage({
      ...call,
      code: 'smtp.recipient_refused',
      now: new Date().toISOString(),
    });
    expect(await message(id)).toMatchObject({
      status: 'failed',
      error: { code: 'smtp.recipient_refused', detail: 'The server refuses the recipient.' },
    });
    expect(await events()).toEqual(['message.failed']);
  });

  it('given up in doubt it is uncertain, not failed', async () => {
    const id = await queued();
    outside.faults.push('after');
    await expect(attempt(id)).rejects.toThrow('killed');
    const before = await uncertain();
    await createTicketActivities(deps, options()).giveUpMessage({
      tenantId: seed.tenantId,
      ticketId,
      messageId: id,
      code: 'send.expired',
      now: new Date().toISOString(),
    });
    expect((await message(id)).status).toBe('uncertain');
    expect((await uncertain()) - before).toBe(1);
  });

  it('a second attempt bars the first, which had not begun to transmit', async () => {
    const id = await queued();
    let release = () => {};
    const held = new Promise<void>((go) => (release = go));
    let claimed = () => {};
    const waiting = new Promise<void>((go) => (claimed = go));
    outside.pause = () => {
      claimed();
      return held;
    };
    const first = attempt(id);
    await waiting;
    outside.pause = () => Promise.resolve();
    expect(await attempt(id)).toEqual({ status: 'sent' });
    release();
    await expect(first).rejects.toThrow('Another attempt');
    expect(outside.delivered).toHaveLength(1);
    expect((await message(id)).status).toBe('sent');
  });

  it('a receipt that could not be written down reaches the next attempt by heartbeat', async () => {
    const id = await queued();
    expect(await attempt(id, { receipt: { providerMessageId: 'queued as 7' } })).toEqual({
      status: 'sent',
    });
    expect(outside.delivered).toHaveLength(0);
    expect((await message(id)).provider_message_id).toBe('queued as 7');
  });

  it('a command applied twice has one effect and one answer', async () => {
    const commandId = newId('command');
    const answers = await Promise.all([applyReply(commandId), applyReply(commandId)]);
    expect(answers[0]).toEqual(answers[1]);
    const rows = await inDb((tx) =>
      tx
        .selectFrom('messages')
        .select('id')
        .where('ticket_id', '=', ticketId)
        .where('direction', '=', 'outbound')
        .execute(),
    );
    expect(rows).toHaveLength(1);
  });

  it.each([
    [{ text: 'x', attachments: ['att_unknown'] }, 'unknown_attachment'],
    [{ text: 'x', account_id: 'chn_unknown' }, 'no_channel'],
    [{ text: 'x', in_reply_to: 'msg_unknown' }, 'unknown_message'],
  ])('refuses %j and leaves nothing behind', async (payload, code) => {
    expect(await applyReply(newId('command'), payload)).toMatchObject({ ok: false, code });
    const row = await inDb((tx) =>
      tx.selectFrom('tickets').select('version').where('id', '=', ticketId).executeTakeFirst(),
    );
    expect(row?.version).toBe(1);
  });
});

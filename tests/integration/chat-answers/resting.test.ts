import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { inTenant } from '../../../db/connection.ts';
import type { DesiredState } from '../../../db/queries/channels.ts';
import { ProviderFailure } from '../../../domain/failure.ts';
import type { TicketId } from '../../../domain/ids.ts';
import { ticketSteps, type TicketSteps } from '../../workflow/ticket-steps.ts';
import { startTestApi, type TestApi } from '../api-fixture.ts';
import { ChatOutside, HOUR, openChat, seedChat, type ChatSeed } from './chat-seed.ts';

const SOON_MS = 1234;

describe('an answer by a channel that can’t send just now', () => {
  let api: TestApi;
  let seed: ChatSeed;
  let steps: TicketSteps;
  let outside: ChatOutside;
  let ticketId: TicketId;

  beforeAll(async () => {
    api = await startTestApi();
    seed = await seedChat(api.db, 'resting');
    steps = ticketSteps(api.deps, seed.tenantId, options);
  });
  afterAll(() => api.close());
  beforeEach(async () => {
    outside = new ChatOutside();
    await channel({ desired_state: 'running', refusals: '{}' });
    ({ ticketId } = await openChat(api.db, seed));
  });

  const inDb = <T>(work: Parameters<typeof inTenant<T>>[2]) =>
    inTenant(api.db, seed.tenantId, work);
  const channel = (values: { desired_state?: DesiredState; refusals?: string; version?: number }) =>
    inDb((tx) => tx.updateTable('channels').set(values).where('id', '=', seed.channelId).execute());
  const refusals = async () =>
    (
      await inDb((tx) =>
        tx
          .selectFrom('channels')
          .select('refusals')
          .where('id', '=', seed.channelId)
          .executeTakeFirstOrThrow(),
      )
    ).refusals;
  const options = () => {
    const provider = outside.provider();
    return { findProvider: () => provider, heldAgainMs: SOON_MS };
  };
  const ANSWER = { text: 'On its way.' };
  const reply = async () => (await steps.apply(ticketId, 'reply', ANSWER)).outcome;
  const queued = () => steps.queue(ticketId, ANSWER);
  const send = (messageId: string) => steps.send(ticketId, messageId);
  const stored = (id: string) => steps.message(id);
  const nudges = () =>
    api.relay.flushed.filter(({ channels }) => channels.has(seed.channelId)).length;

  it('is refused while an admin has stopped it, with how to start it', async () => {
    await channel({ desired_state: 'stopped' });
    expect(await reply()).toMatchObject({
      ok: false,
      status: 422,
      code: 'channel_stopped',
      detail: expect.stringContaining(`POST /v1/channels/${seed.channelId}/start`),
    });
  });

  it.each(['stopped', 'paused'] as const)(
    'waits where it was queued before the channel was %s, and goes out after that',
    async (desired) => {
      const id = await queued();
      await channel({ desired_state: desired });
      await expect(send(id)).rejects.toMatchObject({
        type: `channel.${desired}`,
        nonRetryable: false,
        nextRetryDelay: SOON_MS,
      });
      expect(await stored(id)).toMatchObject({
        status: 'queued',
        send_phase: 'claimed',
        error: { code: `channel.${desired}` },
      });
      expect(outside.delivered).toEqual([]);
      await channel({ desired_state: 'running' });
      expect(await send(id)).toEqual({ status: 'sent' });
      expect(await stored(id)).toMatchObject({ error: null });
    },
  );

  it('is taken and kept while the channel is paused', async () => {
    await channel({ desired_state: 'paused' });
    expect(await reply()).toMatchObject({ ok: true });
  });

  const refused = () =>
    new ProviderFailure({
      code: 'vendor.token_expired',
      class: 'reauthenticate',
      message: 'The token has expired: make a new one.',
    });

  it('tells the channel’s workflow once, however many are refused, and asks the vendor once', async () => {
    const ids = [await queued(), await queued(), await queued()];
    outside.faults.push(refused());
    const before = nudges();
    for (const id of ids)
      await expect(send(id)).rejects.toMatchObject({
        type: 'vendor.token_expired',
        nextRetryDelay: SOON_MS,
      });
    expect(outside.faults).toEqual([]);
    expect(outside.delivered).toEqual([]);
    expect(nudges()).toBe(before + 1);
    for (const id of ids)
      expect(await stored(id)).toMatchObject({
        status: 'queued',
        error: { code: 'vendor.token_expired', detail: expect.stringContaining('make a new one') },
      });
    expect(await refusals()).toMatchObject({ send: { type: 'vendor.token_expired', seen: false } });
  });

  it('killed between the refusal and its note, the next attempt notes it', async () => {
    const id = await queued();
    outside.faults.push(refused(), refused());
    await expect(send(id)).rejects.toMatchObject({ type: 'vendor.token_expired' });
    await channel({ refusals: '{}' });
    await expect(send(id)).rejects.toMatchObject({ type: 'vendor.token_expired' });
    expect(outside.faults).toEqual([]);
    expect(await refusals()).toMatchObject({ send: { type: 'vendor.token_expired' } });
  });

  it('asks again at once after an admin’s change, else ten minutes later; success takes the note away', async () => {
    const [first, second] = [await queued(), await queued()];
    outside.faults.push(refused());
    await expect(send(first)).rejects.toMatchObject({ type: 'vendor.token_expired' });
    const standing = await refusals();
    const aged = { ...standing.send!, met_at: new Date(Date.now() - HOUR).toISOString() };
    await channel({ refusals: JSON.stringify({ send: aged }) });
    const before = nudges();
    expect(await send(first)).toEqual({ status: 'sent' });
    expect(await refusals()).toEqual({});
    expect(nudges()).toBe(before + 1);

    await channel({ refusals: JSON.stringify(standing), version: 77 });
    expect(await send(second)).toEqual({ status: 'sent' });
    expect(await refusals()).toEqual({});
  });
});

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { setTimeout as sleep } from 'node:timers/promises';
import { drainNow } from '../../../activities/drain.ts';
import { DoorStore } from '../../../api/ingress/door-store.ts';
import { inTenant } from '../../../db/connection.ts';
import { storeBrought } from '../../../db/queries/brought.ts';
import { loadChannel, type LoadedChannel } from '../../../db/queries/channels.ts';
import type { ChannelId } from '../../../domain/ids.ts';
import type { DeliveryStatus } from '../../../providers/contract.ts';
import { openTicket, seedTenant, type Seed } from '../../workflow/ticket-seed.ts';
import { startTestApi, type TestApi } from '../api-fixture.ts';
import { sendAnswer, type Sent } from './sent-answer.ts';

// What vendors report is stored before they are answered, and applied after it.

let api: TestApi;
let seed: Seed;
let channel: LoadedChannel;
let doors: DoorStore;

beforeAll(async () => {
  api = await startTestApi();
  seed = await seedTenant(api.db);
  const { tenantId, accountId } = seed;
  channel = (await loadChannel(api.db, api.deps.keys, tenantId, accountId))!;
  doors = new DoorStore(api.deps);
});
afterAll(() => api.close());

const answered = async () =>
  sendAnswer(api, seed, {
    ticketId: await openTicket(api.db, seed, new Date()),
    to: { name: 'Ada', address: 'ada@example.com' },
  });

const report = (
  { providerId }: Sent,
  status: DeliveryStatus['status'],
  detail?: string,
): DeliveryStatus => ({
  of: { providerMessageId: providerId },
  status,
  at: new Date(),
  ...(detail !== undefined && { detail }),
});

const hear = (...statuses: DeliveryStatus[]) =>
  doors.store(channel, { sources: [], statuses }, new Date());

const stateOf = ({ id }: Sent) =>
  inTenant(api.db, seed.tenantId, async (tx) => {
    const row = await tx
      .selectFrom('messages')
      .select(['status', 'error'])
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    return row;
  });

const eventsOf = ({ ticketId }: Sent) =>
  inTenant(api.db, seed.tenantId, async (tx) => {
    const rows = await tx
      .selectFrom('events')
      .select('type')
      .where('ticket_id', '=', ticketId)
      .where('type', 'like', 'message.%')
      .orderBy('sequence')
      .execute();
    return rows.map(({ type }) => type);
  });

const kept = () =>
  inTenant(api.db, seed.tenantId, (tx) =>
    tx.selectFrom('status_reports').select(['attempts', 'error']).execute(),
  );

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 60_000; !(await isSo()); await sleep(20))
    if (Date.now() > deadline) throw new Error('Within a minute it was not so.');
}

test('a vendor is answered while its message’s ticket is in hand, and heard when it is not', async () => {
  const sent = await answered();
  await inTenant(api.db, seed.tenantId, async (tx) => {
    await tx
      .selectFrom('tickets')
      .select('id')
      .where('id', '=', sent.ticketId)
      .forUpdate()
      .execute();
    await hear(report(sent, 'delivered'));
    await hear(report(sent, 'read'), report(sent, 'delivered'));
    await sleep(100);
    expect(await stateOf(sent)).toMatchObject({ status: 'sent' });
    expect(await kept()).toHaveLength(2);
  });
  await until(async () => (await kept()).length === 0);
  expect(await stateOf(sent)).toMatchObject({ status: 'read' });
  expect(await eventsOf(sent)).toEqual(['message.sent', 'message.delivered', 'message.read']);
});

test('what a crash left is applied by the drain, and once, though it was applied before', async () => {
  const sent = await answered();
  const { tenantId, accountId } = seed;
  const place = { tenantId, id: accountId as ChannelId, provider: channel.provider };
  const statuses = [report(sent, 'bounced', 'mailbox\0 full')];
  await drainNow(api.deps); // what the tests before left
  await storeBrought(api.db, place, [
    { receipts: [], statuses },
    { receipts: [], statuses },
  ]);
  expect(await drainNow(api.deps)).toBe(0); // its writer may still be at it
  expect(await stateOf(sent)).toMatchObject({ status: 'sent' });
  await inTenant(api.db, tenantId, (tx) =>
    sql`update status_reports set leased_until = now() - interval '1 second'`.execute(tx),
  );
  await Promise.all([drainNow(api.deps), drainNow(api.deps)]);
  expect(await stateOf(sent)).toMatchObject({
    status: 'bounced',
    error: { code: 'delivery.bounced', detail: 'mailbox full' },
  });
  expect(await eventsOf(sent)).toEqual(['message.sent', 'message.bounced']);
  expect(await kept()).toEqual([]);
});

test('one that can’t be applied keeps no other back, and is tried again later', async () => {
  const [first, second] = [await answered(), await answered()];
  const mark = { sentTo: '700', until: new Date(Number.NaN) };
  await Promise.all([
    hear(report(first, 'delivered')),
    hear({ of: mark, status: 'read', at: new Date() }),
    hear(report(second, 'delivered')),
  ]);
  for (const sent of [first, second])
    await until(async () => (await stateOf(sent)).status === 'delivered');
  const left = [{ attempts: 0, error: expect.stringContaining('null') }];
  await until(async () => (await kept()).length === 1);
  await until(async () => (await kept())[0]!.error !== null);
  expect(await kept()).toEqual(left);
});

test('while doors are busy a channel’s reports are applied together', async () => {
  const sent = await Promise.all(Array.from({ length: 6 }, () => answered()));
  const { way, relay } = api.deps as typeof api.deps & { relay: { flushed: unknown[] } }; // startTestApi's
  const busy = () => {
    for (let call = 0; call < 20; call += 1) way.stored(1);
  };
  busy();
  const before = relay.flushed.length;
  for (const one of sent)
    for (const status of ['sent', 'delivered', 'read'] as const) {
      busy();
      await hear(report(one, status));
    }
  for (const one of sent) await until(async () => (await stateOf(one)).status === 'read');
  // The first by itself, the others within a second or two.
  expect(relay.flushed.length - before).toBeLessThan(9);
});

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { inTenant } from '../../../db/connection.ts';
import { applyStatuses } from '../../../db/queries/delivery-statuses.ts';
import type { ChannelId } from '../../../domain/ids.ts';
import type { DeliveryStatus } from '../../../providers/contract.ts';
import { openTicket, seedTenant, type Seed } from '../../workflow/ticket-seed.ts';
import { startTestApi, type TestApi } from '../api-fixture.ts';
import { sendAnswer, type Sent } from './sent-answer.ts';

let api: TestApi;
let seed: Seed;

beforeAll(async () => {
  api = await startTestApi();
  seed = await seedTenant(api.db);
});
afterAll(() => api.close());

const ADA = { name: 'Ada', address: 'ada@example.com' };
const BOB = { name: 'Bob', address: 'bob@example.com' };

const send = async (meanwhile?: (sent: Sent) => Promise<void>) =>
  sendAnswer(api, seed, {
    ticketId: await openTicket(api.db, seed, new Date()),
    to: ADA,
    cc: [BOB],
    ...(meanwhile && { meanwhile }),
  });

const apply = (...statuses: DeliveryStatus[]) =>
  applyStatuses(api.db, seed.tenantId, seed.accountId as ChannelId, statuses);

const said = (
  { providerId }: Sent,
  status: DeliveryStatus['status'],
  more: Partial<DeliveryStatus> = {},
): DeliveryStatus => ({ of: { providerMessageId: providerId }, status, at: new Date(), ...more });

const messageOf = ({ id }: Sent) =>
  inTenant(api.db, seed.tenantId, (tx) =>
    tx
      .selectFrom('messages')
      .select(['status', 'error', 'provider_message_id'])
      .where('id', '=', id)
      .executeTakeFirstOrThrow(),
  );

const eventsOf = ({ id }: Sent) =>
  inTenant(api.db, seed.tenantId, async (tx) =>
    (
      await tx
        .selectFrom('events')
        .select(['type', 'data'])
        .where('type', 'like', 'message.%')
        .orderBy('position')
        .execute()
    )
      .filter(({ data }) => (data as { message: { id: string } }).message.id === id)
      .map(({ type, data }) => [type, (data as { message: { status: string } }).message.status]),
  );

test('a message goes from sent to delivered to read, once each, with its events', async () => {
  const sent = await send();
  for (let n = 0; n < 2; n += 1) {
    await apply(said(sent, 'delivered'));
    await apply(said(sent, 'read'));
  }
  expect(await messageOf(sent)).toMatchObject({ status: 'read', error: null });
  expect(await eventsOf(sent)).toEqual([
    ['message.sent', 'sent'],
    ['message.delivered', 'delivered'],
    ['message.read', 'read'],
  ]);
});

test('whatever order they come in, the end is the same', async () => {
  const orders = [
    ['delivered', 'bounced', 'read'],
    ['bounced', 'read', 'delivered'],
    ['read', 'delivered', 'bounced'],
  ] as const;
  for (const order of orders) {
    const sent = await send();
    for (const status of order) await apply(said(sent, status, { detail: 'mailbox full' }));
    expect(await messageOf(sent)).toMatchObject({
      status: 'bounced',
      error: { code: 'delivery.bounced', detail: 'mailbox full' },
    });
    expect((await eventsOf(sent)).filter(([type]) => type === 'message.bounced')).toHaveLength(1);
  }
});

test('what is said before the receipt is written is not lost', async () => {
  const byProviderId = await send(async (sent) => {
    await apply(said(sent, 'delivered'));
    expect(await messageOf(sent)).toMatchObject({ status: 'queued' });
  });
  expect(await messageOf(byProviderId)).toMatchObject({ status: 'delivered' });
  const byMessageId = await send(async (sent) => {
    await apply({ ...said(sent, 'complained'), of: { messageId: `<${sent.messageId}>` } });
  });
  expect(await eventsOf(byMessageId)).toEqual([
    ['message.sent', 'sent'],
    ['message.complained', 'complained'],
  ]);
});

test('a message whose receipt was lost is known by our own id, and in doubt no more', async () => {
  const early = await send(async (sent) => {
    await apply({
      ...said(sent, 'delivered'),
      of: { providerMessageId: sent.providerId, sentAs: sent.id },
    });
    expect(await messageOf(sent)).toMatchObject({
      status: 'queued',
      provider_message_id: sent.providerId,
    });
  });
  expect(await messageOf(early)).toMatchObject({
    status: 'delivered',
    provider_message_id: early.providerId,
  });
  const lost = await send();
  await inTenant(api.db, seed.tenantId, (tx) =>
    tx
      .updateTable('messages')
      .set({ status: 'uncertain', provider_message_id: null })
      .where('id', '=', lost.id)
      .execute(),
  );
  await apply({ ...said(lost, 'read'), of: { providerMessageId: 'theirs', sentAs: lost.id } });
  expect(await messageOf(lost)).toMatchObject({ status: 'read', provider_message_id: 'theirs' });
});

test('a bounce marks its own recipient, and nobody that the mail did not go to', async () => {
  const undeliverable = () =>
    inTenant(api.db, seed.tenantId, async (tx) =>
      (await tx.selectFrom('contacts').select('undeliverable').execute()).flatMap(
        (row) => row.undeliverable,
      ),
    );
  const sent = await send();
  await apply(said(sent, 'bounced', { recipient: 'carol@example.com' }));
  await apply(said(sent, 'bounced'));
  expect(await undeliverable()).toEqual([]);
  await apply(said(sent, 'bounced', { recipient: 'Ada@Example.com' }));
  expect(await undeliverable()).toEqual(['ada@example.com']);
});

test('a message of another channel or tenant is none of the vendor’s', async () => {
  const sent = await send();
  const stranger = await seedTenant(api.db, 'stranger');
  const statuses = [
    said(sent, 'bounced'),
    { ...said(sent, 'bounced'), of: { messageId: sent.messageId } },
    { ...said(sent, 'bounced'), of: { providerMessageId: 'theirs', sentAs: sent.id } },
  ];
  await applyStatuses(api.db, stranger.tenantId, stranger.accountId as ChannelId, statuses);
  expect(await messageOf(sent)).toMatchObject({ status: 'sent' });
});

test('a hundred calls at once about one message leave one event of each kind', async () => {
  const sent = await send();
  const statuses = ['sent', 'delivered', 'read', 'bounced', 'complained'] as const;
  await Promise.all(
    Array.from({ length: 100 }, (_, n) => apply(said(sent, statuses[n % statuses.length]!))),
  );
  expect(await messageOf(sent)).toMatchObject({ status: 'complained' });
  const types = (await eventsOf(sent)).map(([type]) => type);
  expect(new Set(types).size).toBe(types.length);
});

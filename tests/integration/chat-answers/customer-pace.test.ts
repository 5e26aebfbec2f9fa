import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { inTenant } from '../../../db/connection.ts';
import { customerTurn } from '../../../db/queries/customer-turns.ts';
import type { ChannelProvider, SendingPace } from '../../../providers/contract.ts';
import { ticketSteps } from '../../workflow/ticket-steps.ts';
import { startTestApi, type TestApi } from '../api-fixture.ts';
import { ChatOutside, CUSTOMER, openChat, seedChat, type ChatSeed } from './chat-seed.ts';

let api: TestApi;
let seed: ChatSeed;
const outside = new ChatOutside();

beforeAll(async () => {
  api = await startTestApi();
  seed = await seedChat(api.db, 'pace');
});
afterAll(() => api.close());

const inDb = <T>(work: Parameters<typeof inTenant<T>>[2]) => inTenant(api.db, seed.tenantId, work);
const forgetPace = () =>
  inDb((tx) => tx.updateTable('conversations').set({ paced_until: null }).execute());

function provider(perCustomer: SendingPace['perCustomer']): ChannelProvider {
  const plain = outside.provider();
  return { ...plain, chat: { ...plain.chat!, pace: { perSecond: 80, perCustomer } } };
}

test('what a vendor would refuse as too much for one customer waits, and says so', async () => {
  const { ticketId } = await openChat(api.db, seed);
  const { tenantId, channelId } = seed;
  const findProvider = () => provider({ everyMs: 8000, burst: 2 });
  const steps = ticketSteps(api.deps, tenantId, () => ({ findProvider }));
  const queued = (text: string) => steps.queue(ticketId, { text });
  const send = (messageId: string) => steps.send(ticketId, messageId);
  const [one, two, three] = [await queued('1'), await queued('2'), await queued('3')];
  expect([await send(one), await send(two)]).toEqual([{ status: 'sent' }, { status: 'sent' }]);
  const failure = await send(three).then(
    () => null,
    (error: unknown) => error as { type: string; nextRetryDelay: number; nonRetryable: boolean },
  );
  expect(failure).toMatchObject({ type: 'chat.customer_paced' });
  expect(failure!.nonRetryable).toBeFalsy();
  expect(failure!.nextRetryDelay).toBeGreaterThan(0);
  expect(failure!.nextRetryDelay).toBeLessThanOrEqual(8000);
  const client = await api.client('pace');
  const { body } = await client.call('GET', `/v1/channels/${channelId}/status`);
  expect(body.waiting).toEqual([
    { code: 'chat.customer_paced', detail: expect.stringContaining('customer'), messages: 1 },
  ]);
  expect(outside.delivered.map(({ text }) => text)).toEqual(['1', '2']);
  await new Promise((resolve) => setTimeout(resolve, failure!.nextRetryDelay));
  expect(await send(three)).toEqual({ status: 'sent' });
  const after = await client.call('GET', `/v1/channels/${channelId}/status`);
  expect(after.body.waiting).toEqual([]);
});

test('of all who would write to a customer at once as many do as may', async () => {
  await openChat(api.db, seed);
  await forgetPace();
  const pace = { everyMs: 60_000, burst: 5 };
  const turns = await Promise.all(
    Array.from({ length: 20 }, () =>
      inDb((tx) => customerTurn(tx, seed.channelId, CUSTOMER, pace)),
    ),
  );
  expect(turns.filter(({ waitMs }) => waitMs === 0)).toHaveLength(5);
  for (const { party, waitMs } of turns) {
    expect(party).toMatchObject({ address: CUSTOMER, windowEndsAt: expect.any(Date) });
    expect(waitMs).toBeLessThanOrEqual(60_000);
  }
});

test('where there is no conversation, or no such pace, nothing waits', async () => {
  const pace = { everyMs: 60_000, burst: 1 };
  const turn = (address: string, of?: typeof pace) =>
    inDb((tx) => customerTurn(tx, seed.channelId, address, of));
  await openChat(api.db, seed);
  await forgetPace();
  for (let n = 0; n < 2; n += 1) {
    expect(await turn('+4900', pace)).toEqual({ party: null, waitMs: 0 });
    expect(await turn(CUSTOMER)).toMatchObject({ party: { address: CUSTOMER }, waitMs: 0 });
  }
});

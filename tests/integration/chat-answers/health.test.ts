import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createMailboxSyncActivities } from '../../../activities/mailbox-sync.ts';
import { inTenant } from '../../../db/connection.ts';
import { changeChannel } from '../../../db/queries/channel-changes.ts';
import type { AccountHealth } from '../../../domain/account-health.ts';
import { ProviderFailure } from '../../../domain/failure.ts';
import type { ChannelProvider } from '../../../providers/contract.ts';
import { startTestApi, type Client, type TestApi } from '../api-fixture.ts';
import { ChatOutside, seedChat, type ChatSeed } from './chat-seed.ts';

const WELL: AccountHealth = {
  quality: 'high',
  connected: true,
  name_approved: true,
  customers_a_day: 2000,
  messages_a_second: 80,
  warnings: [],
  told: { quality_rating: 'GREEN' },
};
const ILL: AccountHealth = {
  ...WELL,
  quality: 'low',
  customers_a_day: 250,
  warnings: ['Customers block the number.'],
  told: { quality_rating: 'RED' },
};

let api: TestApi;
let client: Client;
let seed: ChatSeed;
let asked: number;
let health: () => AccountHealth;

beforeAll(async () => {
  api = await startTestApi();
  seed = await seedChat(api.db, 'health');
  client = await api.client('health');
});
afterAll(() => api.close());
beforeEach(async () => {
  asked = 0;
  await set({ health: null, health_read_at: null, health_due_at: null });
});

const provider = (): ChannelProvider => {
  const plain = new ChatOutside().provider(undefined, false);
  const read = () => {
    asked += 1;
    return Promise.resolve().then(() => health());
  };
  return { ...plain, chat: { ...plain.chat!, health: read } };
};
const set = (values: { health?: null; health_read_at?: null; health_due_at: Date | null }) =>
  inTenant(api.db, seed.tenantId, (tx) => tx.updateTable('channels').set(values).execute());
const due = () => set({ health_due_at: new Date(Date.now() - 1000) });
const sync = () =>
  new MockActivityEnvironment().run(() =>
    createMailboxSyncActivities(api.deps, { findProvider: provider }).syncMailbox({
      tenantId: seed.tenantId,
      channelId: seed.channelId,
    }),
  );
const shown = async (path = '') =>
  (await client.call('GET', `/v1/channels/${seed.channelId}${path}`)).body.health;
const changes = async () => {
  const rows = await inTenant(api.db, seed.tenantId, (tx) =>
    tx.selectFrom('events').select('data').where('type', '=', 'channel.health_changed').execute(),
  );
  return rows.map(({ data }) => data);
};

test('it is read once a day, and shown with when it was so', async () => {
  health = () => WELL;
  expect(await shown()).toBeNull();
  for (let n = 0; n < 3; n += 1) await sync();
  expect(asked).toBe(1);
  const read = { ...WELL, read_at: expect.any(String) };
  expect([await shown(), await shown('/status')]).toEqual([read, read]);
  expect(Date.now() - Date.parse((await shown()).read_at)).toBeLessThan(60_000);
  await due();
  await sync();
  expect(asked).toBe(2);
  expect(await changes()).toEqual([]);
});

test('where quality or reach become others, an event says from what to what', async () => {
  health = () => WELL;
  await sync();
  health = () => ILL;
  await due();
  await sync();
  expect(await shown('/status')).toMatchObject({ warnings: ['Customers block the number.'] });
  const { body: status } = await client.call('GET', `/v1/channels/${seed.channelId}/status`);
  expect(status.warnings).toContain('Customers block the number.');
  expect(await changes()).toEqual([
    {
      channel: {
        id: seed.channelId,
        name: 'Shop',
        provider: 'whatsapp',
        state: expect.any(String),
        detail: expect.any(String),
      },
      health: ILL,
      changes: { quality: ['high', 'low'], customers_a_day: [2000, 250] },
    },
  ]);
});

test.each(['give_up', 'reauthenticate', 'wait'] as const)(
  'a failure (%s) leaves what was known, and the channel goes on',
  async (kind) => {
    health = () => WELL;
    await sync();
    health = () => {
      throw new ProviderFailure({ code: 'vendor.no', class: kind, message: 'No.' });
    };
    await due();
    expect(await sync()).toMatchObject({ received: 0 });
    await sync();
    expect(asked).toBe(2);
    expect(await shown()).toMatchObject(WELL);
  },
);

test('of another account nothing is known any more, and what comes late of the former one is dropped', async () => {
  const becomes = (account: string) =>
    changeChannel(api.db, seed.tenantId, seed.channelId, () => ({ account, reconnects: true }));
  health = () => WELL;
  await sync();
  await becomes('another');
  expect(await shown()).toBeNull();
  const plain = provider();
  const late: ChannelProvider = {
    ...plain,
    chat: { ...plain.chat!, health: async () => (await becomes('third'), ILL) },
  };
  await new MockActivityEnvironment().run(() =>
    createMailboxSyncActivities(api.deps, { findProvider: () => late }).syncMailbox({
      tenantId: seed.tenantId,
      channelId: seed.channelId,
    }),
  );
  expect(await shown()).toBeNull();
  await sync();
  expect(await shown()).toMatchObject(WELL);
});

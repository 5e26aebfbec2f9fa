import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { GroupedStaging } from '../../api/ingress/grouped-staging.ts';
import { inTenant } from '../../db/connection.ts';
import type { Receipt } from '../../db/queries/sources.ts';
import { ensureTenant } from '../../db/queries/tenants.ts';
import type { ChannelId, TenantId } from '../../domain/ids.ts';
import { startTestApi, type TestApi } from './api-fixture.ts';
import { seedChannel } from '../workflow/channel-seed.ts';

let api: TestApi;
let tenantId: TenantId;
let id: ChannelId;
/** Transactions that were committed. */
let groups = 0;
let staging: GroupedStaging;

beforeAll(async () => {
  api = await startTestApi();
  tenantId = await ensureTenant(api.db, 'grouped');
  ({ id } = await seedChannel(api.db, tenantId, { provider: 'mime', state: 'watching' }));
  staging = new GroupedStaging(api.deps, () => (groups += 1));
});
afterAll(() => api.close());

const receipt = (name: string, more: Partial<Receipt> = {}): Receipt => ({
  source: Buffer.from(name),
  providerMessageId: name,
  receivedAt: new Date(),
  ...more,
});
const stage = (one: Receipt) =>
  staging.stage({ tenantId, id, provider: 'mime' }, { receipts: [one], statuses: [] });
const stored = async () =>
  (
    await inTenant(api.db, tenantId, (tx) =>
      tx.selectFrom('sources').select('provider_message_id').execute(),
    )
  ).map((row) => row.provider_message_id);

test('calls that come together are stored together, each once', async () => {
  const names = Array.from({ length: 60 }, (_, n) => `mail ${n % 40}`);
  await Promise.all(names.map((name) => stage(receipt(name))));
  const all = await stored();
  expect(new Set(all)).toEqual(new Set(names));
  expect(all).toHaveLength(40);
  expect(groups).toBeLessThan(10);
});

test('one that can’t be stored keeps no other out, and its caller alone is told', async () => {
  // Postgres has no NUL in its JSON.
  const bad = receipt('bad', { meta: { said: '\u0000' } });
  const outcomes = await Promise.allSettled(
    [receipt('before'), receipt('one'), bad, receipt('two')].map((one) => stage(one)),
  );
  expect(outcomes.map(({ status }) => status)).toEqual([
    'fulfilled',
    'fulfilled',
    'rejected',
    'fulfilled',
  ]);
  expect(await stored()).toEqual(expect.arrayContaining(['before', 'one', 'two']));
  await stage(receipt('later'));
  expect(await stored()).toContain('later');
});

test('a large one goes by itself', async () => {
  groups = 0;
  const large = () => Buffer.alloc(1_500_000, Math.floor(Math.random() * 256));
  await Promise.all(['a', 'b', 'c', 'd'].map((name) => stage(receipt(name, { source: large() }))));
  expect(groups).toBe(4);
});

import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { connect, inTenant, type Db } from '../../db/connection.ts';
import { knownProviderIds, stageReceipts } from '../../db/queries/sources.ts';
import { ensureTenant } from '../../db/queries/tenants.ts';
import { newId, type ChannelId, type TenantId } from '../../domain/ids.ts';
import { eventually, testDatabase } from '../harness/index.ts';

let db: Db;
beforeAll(async () => {
  db = connect({ url: (await testDatabase()).url, poolSize: 5 });
});
afterAll(() => db.destroy());

async function channelOf(tenantId: TenantId): Promise<ChannelId> {
  const id = newId('channel');
  await inTenant(db, tenantId, (tx) =>
    tx
      .insertInto('channels')
      .values({ id, tenant_id: tenantId, provider: 'pop3', name: 'Support' })
      .execute(),
  );
  return id;
}

it('tells which provider ids a channel has stored, and of no other channel or tenant', async () => {
  const one = await ensureTenant(db, `tenant ${Math.random()}`);
  const other = await ensureTenant(db, `tenant ${Math.random()}`);
  const [channel, second] = [await channelOf(one), await channelOf(one)];
  const ids = Array.from({ length: 1000 }, (_, n) => `account/${n}`);
  const receipts = ids.slice(0, 600).map((providerMessageId) => ({
    source: Buffer.from(`Subject: ${providerMessageId}\r\n\r\n`),
    providerMessageId,
    receivedAt: new Date(),
  }));
  await inTenant(db, one, (tx) => stageReceipts(tx, one, channel, receipts));
  expect(await knownProviderIds(db, one, channel, ids)).toEqual(new Set(ids.slice(0, 600)));
  expect(await knownProviderIds(db, one, second, ids)).toEqual(new Set());
  expect(await knownProviderIds(db, other, channel, ids)).toEqual(new Set());
  expect(await knownProviderIds(db, one, channel, [])).toEqual(new Set());
});

it.each(['names', 'contents'])(
  'of receipts with the same %s that two store at once, in whatever order, neither fails',
  async (same) => {
    const tenant = await ensureTenant(db, `tenant ${Math.random()}`);
    const channel = await channelOf(tenant);
    let calls = 0;
    const call = (names: readonly string[]) => {
      calls += 1;
      const own = (name: string, what: string) => (what === same ? name : `${name} ${calls}`);
      return names.map((name) => ({
        source: Buffer.from(own(name, 'contents')),
        providerMessageId: own(name, 'names'),
        receivedAt: new Date(),
      }));
    };
    const store = (names: readonly string[]) => {
      const receipts = call(names);
      return inTenant(db, tenant, (tx) => stageReceipts(tx, tenant, channel, receipts));
    };
    const waiting = async () => {
      const { rows } = await sql`
        select from pg_locks join pg_stat_activity using (pid)
         where not granted and datname = current_database()`.execute(db);
      return rows.length;
    };
    const storing = await inTenant(db, tenant, async (tx) => {
      await stageReceipts(tx, tenant, channel, call(['b']));
      const both = [store(['a', 'b', 'c']), store(['c', 'b', 'a'])];
      await eventually(async () => expect(await waiting()).toBe(2));
      return { both };
    });
    const all = await Promise.all(storing.both);
    expect(all.reduce((sum, { fresh }) => sum + fresh.size, 0)).toBe(same === 'names' ? 2 : 6);
  },
);

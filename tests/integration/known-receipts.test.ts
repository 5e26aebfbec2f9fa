import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { connect, inTenant, type Db } from '../../db/connection.ts';
import { knownProviderIds, stageReceipts } from '../../db/queries/sources.ts';
import { ensureTenant } from '../../db/queries/tenants.ts';
import { newId, type ChannelId, type TenantId } from '../../domain/ids.ts';
import { testDatabase } from '../harness/index.ts';

let db: Db;
beforeAll(async () => {
  db = connect({ url: (await testDatabase()).url, poolSize: 2 });
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

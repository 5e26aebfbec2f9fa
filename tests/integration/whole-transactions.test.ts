import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { connect, inTenant, inTenantAtOnce, type Db } from '../../db/connection.ts';
import { ensureTenant } from '../../db/queries/tenants.ts';
import { newId, type TenantId } from '../../domain/ids.ts';
import { testDatabase } from '../harness/index.ts';

let db: Db;
let tenantId: TenantId;
beforeAll(async () => {
  db = connect({ url: (await testDatabase()).url, poolSize: 1 }); // what one leaves behind, the next would find
  tenantId = await ensureTenant(db, `tenant ${Math.random()}`);
});
afterAll(() => db.destroy());

const team = (name: string, tenant = tenantId) =>
  sql`insert into teams (id, tenant_id, name) values (${newId('team')}, ${tenant}, ${name}) returning name`;

const names = () =>
  inTenant(db, tenantId, async (tx) => {
    const rows = await tx.selectFrom('teams').select('name').orderBy('name').execute();
    return rows.map(({ name }) => name);
  });

it('runs all statements in one transaction, each after those before it', async () => {
  const counted = sql`select count(*)::int as count, txid_current()::text as transaction from teams`;
  const [one, before, two, after] = await inTenantAtOnce(db, tenantId, [
    team('one'),
    counted,
    team('two'),
    counted,
  ]);
  expect([one, two]).toEqual([[{ name: 'one' }], [{ name: 'two' }]]);
  expect(before).toMatchObject([{ count: 1 }]);
  expect(after).toEqual([{ ...(before![0] as object), count: 2 }]);
  expect(await names()).toEqual(['one', 'two']);
});

it('keeps nothing where one fails, says what failed first, and leaves the connection whole', async () => {
  await expect(
    inTenantAtOnce(db, tenantId, [team('three'), sql`select 1 / 0`, team('four')]),
  ).rejects.toThrow('division by zero');
  expect(await names()).toEqual(['one', 'two']);
  await inTenantAtOnce(db, tenantId, [team('three')]);
  expect(await names()).toEqual(['one', 'three', 'two']);
});

it('is bound to its tenant, as every transaction is', async () => {
  const other = await ensureTenant(db, `tenant ${Math.random()}`);
  await expect(inTenantAtOnce(db, tenantId, [team('theirs', other)])).rejects.toThrow(
    'row-level security',
  );
  const [seen] = await inTenantAtOnce(db, other, [sql`select name from teams`]);
  expect(seen).toEqual([]);
  const { rows } = await sql`select current_setting('app.tenant', true) as left_behind`.execute(db);
  expect(rows).toEqual([{ left_behind: '' }]);
});

import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { connect, inTenant, type Db } from '../../db/connection.ts';
import { ensureTenant } from '../../db/queries/tenants.ts';
import type { TenantId } from '../../domain/ids.ts';
import { testDatabase } from '../harness/index.ts';

let db: Db;
let tenantId: TenantId;
beforeAll(async () => {
  db = connect({ url: (await testDatabase()).url, poolSize: 1 });
  tenantId = await ensureTenant(db, `tenant ${Math.random()}`);
});
afterAll(() => db.destroy());

/** What the pool's one connection has prepared, of statements that hold this word. */
async function preparedWith(word: string): Promise<string[]> {
  const { rows } = await sql<{ statement: string }>`
    select statement from pg_prepared_statements where strpos(statement, ${word}) > 0
       and strpos(statement, 'pg_prepared_statements') = 0`.execute(db);
  return rows.map((row) => row.statement);
}

it('prepares what is asked for often, once, and answers as before', async () => {
  const ask = (number: number) =>
    inTenant(db, tenantId, (tx) =>
      sql<{ asked: number }>`select ${number}::int as asked`.execute(tx),
    );
  for (let number = 0; number < 9; number += 1) await ask(number);
  expect(await preparedWith('as asked')).toEqual([]);
  for (let number = 9; number < 30; number += 1)
    expect((await ask(number)).rows).toEqual([{ asked: number }]);
  expect(await preparedWith('as asked')).toHaveLength(1);
});

it('leaves out what has no values, and what asks for whatever columns there are', async () => {
  for (let time = 0; time < 30; time += 1) {
    await sql`select * from (select ${time}::int as whole) as given`.execute(db);
    await sql`select 1 as plain`.execute(db);
  }
  expect(await preparedWith('as whole')).toEqual([]);
  expect(await preparedWith('as plain')).toEqual([]);
});

it('goes on when the schema has changed under it', async () => {
  const tables = connect({ url: (await testDatabase()).url, poolSize: 1 });
  try {
    const ask = () =>
      inTenant(db, tenantId, (tx) =>
        sql`select name from tenants where id = ${tenantId}`.execute(tx),
      );
    for (let time = 0; time < 30; time += 1) await ask();
    expect(await preparedWith('from tenants where id')).toHaveLength(1);
    await sql`set role none`.execute(tables);
    await sql`alter table tenants add column a_later_one text`.execute(tables);
    try {
      expect((await ask()).rows).toHaveLength(1);
    } finally {
      await sql`alter table tenants drop column a_later_one`.execute(tables);
    }
  } finally {
    await tables.destroy();
  }
});

it('a refused statement does not spoil the prepared one', async () => {
  const divide = (by: number) =>
    inTenant(db, tenantId, (tx) =>
      sql<{ part: number }>`select 10 / ${by}::int as part`.execute(tx),
    );
  for (let time = 1; time < 20; time += 1) await divide(1);
  await expect(divide(0)).rejects.toThrow('division by zero');
  expect((await divide(5)).rows).toEqual([{ part: 2 }]);
});

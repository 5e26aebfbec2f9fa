import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { KyselyPlugin, QueryId } from 'kysely';
import pg from 'pg';
import { connect, type Db } from '../../../db/connection.ts';
import { eventually, testDatabase } from '../../harness/index.ts';
import { chatWorld } from './world.ts';

let db: Db;
let owner: pg.Client;

beforeAll(async () => {
  const { url } = await testDatabase();
  db = connect({ url, poolSize: 4 });
  owner = new pg.Client({ connectionString: url });
  await owner.connect();
});
afterAll(async () => {
  await owner.end();
  await db.destroy();
});

/** Ends the connection of the first transaction that has locked rows: between two of its statements. */
class Ending implements KyselyPlugin {
  ended = 0;
  readonly #locking = new WeakSet<QueryId>();

  transformQuery: KyselyPlugin['transformQuery'] = ({ node, queryId }) => {
    if (node.kind === 'SelectQueryNode' && node.endModifiers) this.#locking.add(queryId);
    return node;
  };

  transformResult: KyselyPlugin['transformResult'] = async ({ result, queryId }) => {
    if (this.ended === 0 && this.#locking.has(queryId)) await this.#end();
    return result;
  };

  async #end(): Promise<void> {
    const others = `from pg_stat_activity where datname = current_database() and state = 'idle in transaction'`;
    const { rowCount } = await owner.query(`select pg_terminate_backend(pid) ${others}`);
    this.ended += rowCount ?? 0;
    await eventually(async () => expect((await owner.query(`select ${others}`)).rows).toEqual([]));
    await sleep(200); // until its client has heard of it
  }
}

test('a message whose connection ends while it is stored is no fault of its own: it waits', async () => {
  const ending = new Ending();
  const world = await chatWorld(db.withPlugin(ending));
  const said = { id: 'wamid.1', who: '+491701234567', name: 'Ada', text: 'Hi', at: new Date() };
  await world.stage(said);
  await expect(world.ingest()).rejects.toThrow();
  expect(ending.ended).toBe(1);
  expect(await world.rows('sources')).toMatchObject([{ status: 'staged', error: null }]);
  expect(await world.ingest()).toBe(1);
});

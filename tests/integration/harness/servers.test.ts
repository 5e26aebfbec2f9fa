import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { testDatabase, testTemporal } from '../../harness/index.ts';

describe('the shared Postgres', () => {
  it('gives each caller a migrated database of its own', async () => {
    const [one, two] = [await testDatabase(), await testDatabase()];
    expect(one.name).not.toBe(two.name);
    const client = new pg.Client({ connectionString: one.url });
    await client.connect();
    const { rows } = await client.query(
      `select count(*)::int as tables from information_schema.tables where table_schema = 'public'`,
    );
    await client.end();
    expect(rows[0].tables).toBeGreaterThan(3);
  });
});

describe('the shared Temporal server', () => {
  let connection: Connection;
  let client: Client;
  beforeAll(async () => {
    const { address, namespace } = await testTemporal();
    connection = await Connection.connect({ address });
    client = new Client({ connection, namespace });
  });
  afterAll(() => connection.close());

  it('serves a fresh namespace at once', async () => {
    const handle = await client.workflow.start('anything', { workflowId: 'w', taskQueue: 'q' });
    expect((await handle.describe()).status.name).toBe('RUNNING');
  });
});

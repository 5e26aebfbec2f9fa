import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { connect, type Db } from '../../../db/connection.ts';
import { readBacklog } from '../../../db/queries/backlog.ts';
import { testDatabase } from '../../harness/index.ts';
import { runSql } from '../../harness/parts.ts';

let db: Db;
let sql: (statement: string) => Promise<void>;

beforeAll(async () => {
  const { url } = await testDatabase();
  sql = (statement) => runSql(url, statement);
  db = connect({ url, poolSize: 2 });
  await sql(`
    insert into tenants (id, name) values ('tnt_1', 'one'), ('tnt_2', 'two');
    insert into channels (id, tenant_id, provider, name, desired_state, state) values
      ('chn_runs', 'tnt_1', 'mime', 'Mail', 'running', 'watching'),
      ('chn_paused', 'tnt_2', 'mime', 'Mail', 'paused', 'paused');
    insert into blobs (tenant_id, sha256, size, complete) values ('tnt_1', '\\x00', 1, true), ('tnt_2', '\\x00', 1, true);
    insert into webhook_endpoints (id, tenant_id, url, events, secret, paused_until) values
      ('whe_up', 'tnt_1', 'http://up.example', '{*}', '\\x00', null),
      ('whe_down', 'tnt_2', 'http://down.example', '{*}', '\\x00', now() + interval '1 minute')`);
});

afterAll(() => db?.destroy());

it('is nothing in an empty installation', async () => {
  expect(await readBacklog(db)).toEqual({
    staged: 0,
    staged_age: 0,
    set_aside: 0,
    outbox: 0,
    outbox_age: 0,
    deliveries: 0,
    deliveries_overdue: 0,
    deliveries_age: 0,
    answers: 0,
    channels: expect.arrayContaining([
      { state: 'watching', channels: 1 },
      { state: 'paused', channels: 1 },
    ]),
  });
});

it('counts over all tenants, and ages only what nobody holds back by intent', async () => {
  await sql(`
    insert into sources (id, tenant_id, channel_id, sha256, size, status, received_at, staged_at)
      select id, 'tnt_' || tenant, channel, '\\x00', 1, status, now(), now() - age from (values
        ('src_1', 1, 'chn_runs', 'staged', interval '60 seconds'),
        ('src_2', 2, 'chn_paused', 'staged', interval '1 day'),
        ('src_3', 1, 'chn_runs', 'set_aside', interval '1 day')) as given(id, tenant, channel, status, age);
    insert into outbox (tenant_id, kind, ref, leased_until, created_at)
      values ('tnt_2', 'channel', 'chn_paused', now(), now() - interval '90 seconds');
    insert into events (id, tenant_id, type, data) values ('evt_1', 'tnt_1', 'ticket.created', '{}'),
      ('evt_2', 'tnt_1', 'ticket.created', '{}'), ('evt_3', 'tnt_2', 'ticket.created', '{}');
    insert into deliveries (id, tenant_id, event_id, endpoint_id, type, budget, streamed, leased_until) values
      ('dlv_1', 'tnt_1', 'evt_1', 'whe_up', 'ticket.created', 1, true, now() - interval '30 seconds'),
      ('dlv_2', 'tnt_1', 'evt_2', 'whe_up', 'ticket.created', 1, false, now() + interval '1 hour'),
      ('dlv_3', 'tnt_2', 'evt_3', 'whe_down', 'ticket.created', 1, true, now() - interval '1 day')`);
  const { staged_age, outbox_age, deliveries_age, ...counts } = await readBacklog(db);
  expect(counts).toMatchObject({
    staged: 2,
    set_aside: 1,
    outbox: 1,
    deliveries: 3,
    deliveries_overdue: 1,
  });
  for (const [found, wanted] of [
    [staged_age, 60],
    [outbox_age, 90],
    [deliveries_age, 30],
  ] as const) {
    expect(found).toBeGreaterThanOrEqual(wanted);
    expect(found).toBeLessThan(wanted + 30);
  }
});

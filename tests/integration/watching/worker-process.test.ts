import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { inTenant } from '../../../db/connection.ts';
import { insertCommand } from '../../../db/queries/commands.ts';
import { freePort } from '../../../embedded/ports.ts';
import { ensureTenant } from '../../../db/queries/tenants.ts';
import type { CommandId } from '../../../domain/ids.ts';
import { eventually } from '../../harness/index.ts';
import { installation, type Installation } from '../../harness/installation.ts';
import { runSql } from '../../harness/parts.ts';

let postroom: Installation;
let monitor: string;
const sql = (statement: string) => runSql(postroom.env.DATABASE_URL!, statement);

beforeAll(async () => {
  postroom = await installation();
  await ensureTenant(postroom.deps.db, 'other');
  const port = await freePort();
  monitor = `http://127.0.0.1:${port}`;
  await postroom.startWorkers({ POSTROOM_METRICS_PORT: String(port) });
  // Its own time is a minute of each hour: from here on it sweeps only when it is told to.
  await postroom.deps.client.schedule.getHandle('sweep').pause();
  await seed();
}, 240_000);

afterAll(() => postroom?.close());

it('tells of itself without any door: metrics, health, and each worker’s readiness', async () => {
  const ready = await fetch(`${monitor}/readyz`);
  const { parts } = (await ready.json()) as { parts: { name: string; ok: boolean }[] };
  expect([ready.status, parts.filter(({ ok }) => !ok)]).toEqual([200, []]);
  const names = parts.map(({ name }) => name);
  expect(names).toEqual(
    expect.arrayContaining(['database', 'temporal', 'worker processes', 'worker provider-imap']),
  );
  expect((await fetch(`${monitor}/healthz`)).status).toBe(200);
  expect(await (await fetch(`${monitor}/metrics`)).text()).toContain('postroom_outbox_rows 0');
});

it('removes, over all tenants, what is kept for a day, and nothing younger', async () => {
  const { client } = postroom.deps;
  await client.schedule.getHandle('sweep').trigger();
  await eventually(async () => {
    const { status } = await client.workflow.getHandle(await sweepId()).describe();
    expect(status.name).toBe('COMPLETED');
  }, 90_000);
  expect(await client.workflow.getHandle(await sweepId()).result()).toEqual({
    tenants: 2,
    commands: 1,
  });
  const left = await inTenant(postroom.deps.db, postroom.tenantId, async (tx) => ({
    keys: await tx.selectFrom('idempotency_keys').select('key').execute(),
    commands: await tx.selectFrom('commands').select('id').orderBy('id').execute(),
    blobs: await tx.selectFrom('blobs').select('size').orderBy('size').execute(),
  }));
  expect(left).toEqual({
    keys: [{ key: 'young' }],
    commands: [{ id: 'cmd_unapplied' }, { id: 'cmd_young' }],
    blobs: [{ size: 2 }, { size: 3 }],
  });
});

it('lets an Idempotency-Key be used again after a day, though no sweep has come by', async () => {
  const again = (id: string) =>
    inTenant(postroom.deps.db, postroom.tenantId, (tx) =>
      insertCommand(tx, postroom.tenantId, {
        id: id as CommandId,
        ticketId: 'tkt_1',
        kind: 'note',
        actor: { type: 'agent', id: 'agt_1' },
        idempotencyKey: 'the same',
        payload: {},
      }),
    );
  await again('cmd_first');
  await expect(again('cmd_second')).rejects.toThrow('commands_by_key');
  await sql(`update commands set created_at = now() - interval '25 hours' where id = 'cmd_first'`);
  await again('cmd_second');
});

/** Schedules put the time behind the workflow's id. */
async function sweepId(): Promise<string> {
  for await (const { workflowId } of postroom.deps.client.workflow.list({
    query: 'WorkflowType = "sweep"',
  }))
    return workflowId;
  throw new Error('No sweep has begun yet.');
}

async function seed(): Promise<void> {
  const tenant = `'${postroom.tenantId}'`;
  await sql(`
    insert into idempotency_keys (tenant_id, key, fingerprint, created_at) values
      (${tenant}, 'old', '\\x00', now() - interval '25 hours'), (${tenant}, 'young', '\\x00', now() - interval '23 hours');
    insert into blobs (tenant_id, sha256, size, complete, created_at) values
      (${tenant}, '\\x01', 1, false, now() - interval '25 hours'), (${tenant}, '\\x02', 2, false, now()),
      (${tenant}, '\\x03', 3, true, now() - interval '25 hours');
    insert into channels (id, tenant_id, provider, name, desired_state) values ('chn_1', ${tenant}, 'mime', 'Mail', 'stopped');
    insert into contacts (id, tenant_id) values ('con_1', ${tenant});
    insert into tickets (id, tenant_id, number, channel, account_id, requester_id)
      values ('tkt_1', ${tenant}, 1, 'mime', 'chn_1', 'con_1');
    insert into commands (id, tenant_id, ticket_id, kind, actor, payload, applied_at, created_at)
      select id, ${tenant}, 'tkt_1', 'note', '{}', '{}', applied_at, now() - interval '30 hours'
        from (values ('cmd_old', now() - interval '25 hours'), ('cmd_young', now() - interval '23 hours'),
                     ('cmd_unapplied', null)) as given(id, applied_at)`);
}

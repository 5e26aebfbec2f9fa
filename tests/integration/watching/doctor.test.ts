import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { runCommand } from '../../../embedded/run-command.ts';
import { freePort } from '../../../embedded/ports.ts';
import { KeyRing } from '../../../security/key-ring.ts';
import {
  eventually,
  startedProduct,
  testTemporal,
  type RunningProduct,
} from '../../harness/index.ts';
import { runSql } from '../../harness/parts.ts';

const root = resolve(import.meta.dirname, '../../..');

interface Told {
  readonly code: number | null;
  readonly ok: boolean;
  readonly mended: readonly string[];
  readonly findings: readonly {
    readonly check: string;
    readonly state: string;
    readonly detail: string;
    readonly cure: string;
  }[];
}

/** Each run loads the product's code in a process of its own. */
const PATIENCE_MS = 240_000;

describe('npm run doctor', () => {
  let product: RunningProduct;
  let temporal: Client;
  const sql = (statement: string) => runSql(product.env.DATABASE_URL!, statement);

  beforeAll(async () => {
    product = await startedProduct();
    temporal = new Client({
      connection: await Connection.connect({ address: product.env.TEMPORAL_ADDRESS }),
      namespace: product.env.TEMPORAL_NAMESPACE,
    });
    const made = await fetch(`${product.running.apiUrl}/v1/webhook-endpoints`, {
      method: 'POST',
      headers: { authorization: `Bearer ${product.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ url: 'http://127.0.0.1:9/', events: ['ticket.created'] }),
    });
    expect(made.status).toBe(201);
    // What is younger than a minute is left alone: its workflow may be starting.
    await sql(`update channels set created_at = now() - interval '1 hour'`);
  }, PATIENCE_MS);

  afterAll(async () => {
    await temporal?.connection.close();
    await product?.remove();
  });

  it(
    'finds a running product well, and ends with 0',
    async () => {
      const told = await doctor();
      expect(amiss(told)).toEqual([]);
      expect(told).toMatchObject({ ok: true, code: 0 });
      expect(told.findings.map(({ check }) => check)).toEqual([
        'node',
        'disk',
        'reachable',
        'version',
        'clock',
        'migrations',
        'row level security',
        'role',
        'reachable',
        'version',
        'search attributes',
        'schedule drain',
        'schedule sweep',
        'workers',
        'api',
        'api ready',
        'mail door',
        'outbox',
        'staged sources',
        'deliveries',
        'set aside',
        'channels',
        'webhook endpoints',
        'key ring',
        'channels without workflow',
        'tickets without workflow',
        'stuck workflows',
      ]);
    },
    PATIENCE_MS,
  );

  it(
    'says the same in a table for people',
    async () => {
      const { code, output } = await run([]);
      expect(code).toBe(0);
      expect(output).toMatch(/✓ row level security +In force on all \d+ tables/);
      expect(output).toContain('All is well.');
    },
    PATIENCE_MS,
  );

  it(
    'finds a table that row level security does not guard, and says how to mend it',
    async () => {
      await sql('alter table contacts disable row level security');
      const told = await doctor();
      expect(told.code).toBe(1);
      const [finding] = amiss(told);
      expect(finding).toMatchObject({ check: 'row level security', state: 'broken' });
      await sql(/alter table \w+ enable row level security;/.exec(finding!.cure)![0]);
      expect(amiss(await doctor())).toEqual([]);
    },
    PATIENCE_MS,
  );

  it(
    'finds work that never reached Temporal',
    async () => {
      await sql(`insert into outbox (tenant_id, kind, ref, leased_until, created_at)
               select id, 'ticket_wake', 'tkt_left', now() + interval '1 hour', now() - interval '10 minutes' from tenants`);
      expect(amiss(await doctor())).toMatchObject([{ check: 'outbox', state: 'broken' }]);
      await sql(`delete from outbox where ref = 'tkt_left'`);
    },
    PATIENCE_MS,
  );

  it(
    'finds a mail that nobody ingests, an endpoint that fails, a channel in trouble',
    async () => {
      await sql(
        `insert into blobs (tenant_id, sha256, size, complete) select id, '\\x00', 1, true from tenants`,
      );
      await sql(`insert into sources (id, tenant_id, channel_id, sha256, size, received_at, staged_at)
               select 'src_left', tenant_id, id, '\\x00', 1, now(), now() - interval '6 minutes' from channels limit 1`);
      await sql(
        `insert into events (id, tenant_id, type, data) select 'evt_failed', id, 'ticket.created', '{}' from tenants`,
      );
      await sql(`insert into deliveries (id, tenant_id, event_id, endpoint_id, type, status, budget, attempt_count)
               select 'dlv_failed', tenant_id, 'evt_failed', id, 'ticket.created', 'failed', 1, 1 from webhook_endpoints`);
      await sql(`update channels set state = 'needs_attention', attention_since = now()`);
      const told = await doctor();
      expect(amiss(told)).toMatchObject([
        { check: 'staged sources', state: 'broken' },
        { check: expect.stringMatching(/^channel chn_/), state: 'warning' },
        { check: expect.stringMatching(/^endpoint whe_/), state: 'warning' },
      ]);
      for (const { cure } of amiss(told)) expect(cure).not.toBe('');
      await sql(`delete from sources where id = 'src_left'`);
      await sql(`delete from deliveries where id = 'dlv_failed'`);
      await sql(`update channels set state = 'watching', attention_since = null`);
    },
    PATIENCE_MS,
  );

  it(
    'finds a Schedule that is gone or paused, and mends both',
    async () => {
      await temporal.schedule.getHandle('sweep').delete();
      await temporal.schedule.getHandle('drain').pause('by a test');
      expect(amiss(await doctor())).toMatchObject([
        { check: 'schedule drain', state: 'broken', detail: expect.stringContaining('by a test') },
        { check: 'schedule sweep', state: 'broken' },
      ]);
      const mended = await doctor(['--fix']);
      expect(mended).toMatchObject({ ok: true, code: 0 });
      expect(mended.mended).toHaveLength(2);
    },
    PATIENCE_MS,
  );

  it(
    'finds a channel whose workflow is gone, and has it started again',
    async () => {
      for (const id of await flows(`WorkflowType = "mailbox" AND ExecutionStatus = "Running"`))
        await temporal.workflow.getHandle(id).terminate('by a test');
      const check = 'channels without workflow';
      expect(amiss(await doctor())).toMatchObject([{ check, state: 'broken' }]);
      expect((await doctor(['--fix'])).mended).toEqual([
        expect.stringContaining('left to the drain'),
      ]);
      await eventually(async () => expect(amiss(await doctor())).toEqual([]), 90_000);
    },
    PATIENCE_MS,
  );

  it(
    'finds a workflow whose task fails again and again',
    async () => {
      await sql(`insert into contacts (id, tenant_id) select 'con_stuck', id from tenants`);
      await sql(`insert into tickets (id, tenant_id, number, channel, account_id, requester_id, created_at)
               select 'tkt_stuck', tenant_id, 999, 'mime', id, 'con_stuck', now() - interval '1 hour' from channels limit 1`);
      const [channel] = (await flows('WorkflowType = "mailbox"')).map((id) => id.split('/'));
      const workflowId = `ticket/${channel![1]}/tkt_stuck`;
      const handle = await temporal.workflow.start('removed', { workflowId, taskQueue: 'tickets' });
      await eventually(async () => {
        const { raw } = await handle.describe();
        expect(raw.pendingWorkflowTask?.attempt).toBeGreaterThanOrEqual(3);
      }, 90_000);
      const [finding] = amiss(await doctor());
      expect(finding).toMatchObject({ check: 'stuck workflows', state: 'broken' });
      expect(finding!.detail).toContain(workflowId);
      await handle.terminate();
      await sql(`delete from tickets where id = 'tkt_stuck'`);
    },
    PATIENCE_MS,
  );

  it(
    'finds a key ring that lacks the key of what is sealed',
    async () => {
      const told = await doctor([], { POSTROOM_MASTER_KEY: KeyRing.generate() });
      expect(amiss(told)).toMatchObject([
        { check: 'schedules', state: 'unknown' },
        { check: 'key ring', state: 'broken' },
      ]);
    },
    PATIENCE_MS,
  );

  it(
    'finds a namespace that nobody has set up and nobody works on, and sets it up',
    async () => {
      const { namespace } = await testTemporal();
      const told = await doctor([], { TEMPORAL_NAMESPACE: namespace });
      expect(amiss(told)).toMatchObject([
        { check: 'search attributes', detail: expect.stringContaining('TicketStatus') },
        { check: 'schedule drain', detail: expect.stringContaining('missing') },
        { check: 'schedule sweep' },
        { check: 'workers', detail: expect.stringContaining('provider-imap') },
        { check: 'channels without workflow' },
      ]);
      const { mended } = await doctor(['--fix'], { TEMPORAL_NAMESPACE: namespace });
      expect(mended).toEqual(
        expect.arrayContaining([
          'search attributes: registered',
          'schedule drain: made as declared',
        ]),
      );
      const after = await doctor([], { TEMPORAL_NAMESPACE: namespace });
      expect(amiss(after).map(({ check }) => check)).toEqual([
        'workers',
        'channels without workflow',
      ]);
    },
    PATIENCE_MS,
  );

  it(
    'says so where its user sees nothing, and does not call that well',
    async () => {
      const name = `doctor_${product.env.TEMPORAL_NAMESPACE!.replace(/\W/g, '_')}`;
      await sql(`create role ${name} login password 'secret' in role postroom_app`);
      const url = new URL(product.env.DATABASE_URL!);
      [url.username, url.password] = [name, 'secret'];
      const told = await doctor([], { DATABASE_URL: url.href });
      expect(amiss(told)).toMatchObject([
        { check: 'migrations', state: 'unknown' },
        { check: 'sight', state: 'unknown' },
      ]);
      expect(told.findings.map(({ check }) => check)).not.toContain('channels');
      await sql(`drop role ${name}`);
    },
    PATIENCE_MS,
  );

  it(
    'finds what is away, each part by itself',
    async () => {
      const home = mkdtempSync(join(tmpdir(), 'postroom-doctor-'));
      const nobody = String(await freePort());
      const env = {
        POSTROOM_HOME: home,
        POSTROOM_API_PORT: nobody,
        POSTROOM_SMTP_PORT: nobody,
        TEMPORAL_ADDRESS: `127.0.0.1:${nobody}`,
        DATABASE_URL: `postgres://postgres@127.0.0.1:${nobody}/none`,
      };
      try {
        const told = await doctor([], env);
        expect(told.code).toBe(1);
        const reachable = amiss(told).map(({ check, detail }) => [check, detail.split(' ')[0]]);
        expect(reachable).toEqual([
          ['reachable', 'Postgres'],
          ['reachable', 'Temporal'],
          ['api', 'It'],
          ['mail door', 'It'],
        ]);
      } finally {
        rmSync(home, { recursive: true, force: true });
      }
    },
    PATIENCE_MS,
  );

  async function flows(query: string): Promise<string[]> {
    const ids: string[] = [];
    for await (const { workflowId } of temporal.workflow.list({ query })) ids.push(workflowId);
    return ids;
  }

  async function doctor(args: string[] = [], env: Record<string, string> = {}): Promise<Told> {
    const { code, output } = await run(['--json', ...args], env);
    return { ...(JSON.parse(output) as Omit<Told, 'code'>), code };
  }

  function run(args: string[], env: Record<string, string> = {}) {
    return runCommand(process.execPath, [join(root, 'embedded/doctor.ts'), ...args], {
      cwd: root,
      env: { ...process.env, NODE_OPTIONS: '', ...product.env, ...env },
      timeoutMs: 200_000,
    });
  }
});

function amiss({ findings }: Told) {
  return findings.filter(({ state }) => state !== 'ok');
}

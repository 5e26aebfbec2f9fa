import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { syncFirst } from '../../api/fresh.ts';
import { loadConfig } from '../../config/config.ts';
import { inTenant } from '../../db/connection.ts';
import { changeChannel, requestSync, wantState } from '../../db/queries/channel-changes.ts';
import { sealSecrets } from '../../db/queries/channels.ts';
import { stageSource } from '../../db/queries/sources.ts';
import { ensureTenant } from '../../db/queries/tenants.ts';
import { newId, type ChannelId, type TenantId } from '../../domain/ids.ts';
import { KeyRing } from '../../security/key-ring.ts';
import { createLogger } from '../../telemetry/log.ts';
import { openDeps, type OpenDeps } from '../../workers/deps.ts';
import { startWorkers, type RunningWorkers } from '../../workers/start.ts';
import { mailboxWorkflowId } from '../../workflows/contracts/mailbox.ts';
import { dovecot, testDatabase, testTemporal, type Dovecot } from '../harness/index.ts';
import { seedChannel } from '../workflow/channel-seed.ts';

jest.setTimeout(240_000);

let deps: OpenDeps;
let workers: RunningWorkers;
let server: Dovecot;
let tenantId: TenantId;
const USER = 'support@example.test';

beforeAll(async () => {
  const [database, temporal, imap] = await Promise.all([testDatabase(), testTemporal(), dovecot()]);
  server = imap;
  deps = openDeps(
    loadConfig({
      DATABASE_URL: database.url,
      TEMPORAL_ADDRESS: temporal.address,
      TEMPORAL_NAMESPACE: temporal.namespace,
      POSTROOM_MASTER_KEY: KeyRing.generate(),
      POSTROOM_ALLOW_PRIVATE_TARGETS: '127.0.0.1',
    }),
    createLogger('fatal'),
  );
  workers = await startWorkers(deps, ['mailboxes', 'providers', 'processes']);
  tenantId = await ensureTenant(deps.db, 'mailboxes');
});

afterAll(async () => {
  await workers.stop();
  await deps.close();
  await server.stop();
});

function imapSettings(password = 'secret') {
  return {
    settings: {
      host: '127.0.0.1',
      port: server.ports.imap,
      security: 'none',
      username: USER,
      import_since: '2020-01-01T00:00:00Z',
      poll_seconds: 300,
    },
    password,
  };
}

async function newChannel(
  provider: string,
  options: { password?: string; desiredState?: 'running' | 'stopped' } = {},
): Promise<ChannelId> {
  const id = newId('channel');
  const { settings, password } =
    provider === 'imap' ? imapSettings(options.password) : { settings: {}, password: undefined };
  const { pending } = await seedChannel(deps.db, tenantId, {
    id,
    provider,
    name: provider,
    address: `${id.toLowerCase()}@example.test`,
    settings,
    secrets: password ? sealSecrets({ password }, id, deps.keys) : null,
    desiredState: options.desiredState ?? 'running',
  });
  await deps.relay.flush(pending);
  return id;
}

const status = (id: string) =>
  inTenant(deps.db, tenantId, (tx) =>
    tx.selectFrom('channels').selectAll().where('id', '=', id).executeTakeFirstOrThrow(),
  );
const messages = (id: string) =>
  inTenant(deps.db, tenantId, (tx) =>
    tx.selectFrom('messages').selectAll().where('channel_id', '=', id).execute(),
  );
const channelEvents = (id: string) =>
  inTenant(deps.db, tenantId, async (tx) =>
    (
      await tx
        .selectFrom('events')
        .select(['type', 'data'])
        .where('type', 'like', 'channel.%')
        .orderBy('position')
        .execute()
    )
      .filter((event) => (event.data as { channel: { id: string } }).channel.id === id)
      .map((event) => event.type),
  );

async function until(condition: () => Promise<boolean>, withinMs = 45_000): Promise<void> {
  for (const deadline = Date.now() + withinMs; !(await condition()); await sleep(30)) {
    if (Date.now() > deadline) throw new Error('It did not come about in time.');
  }
}

const stage = async (id: ChannelId, provider: string, n: number) => {
  const { pending } = await stageSource(
    deps.db,
    { tenantId, id, provider },
    { source: mail(n), providerMessageId: null, receivedAt: new Date() },
  );
  await deps.relay.flush(pending);
};

function mail(n: number): Buffer {
  return Buffer.from(
    `From: Ada <ada${n}@example.com>\r\nTo: ${USER}\r\nSubject: Case ${n}\r\nMessage-ID: <case-${n}-${Math.random()}@example.com>\r\nDate: Fri, 20 Nov 2026 10:00:00 +0000\r\n\r\nHello ${n}\r\n`,
  );
}

describe('a door’s mailbox', () => {
  test('ingests what is staged, at once', async () => {
    const id = await newChannel('smtp');
    await until(async () => (await status(id)).state === 'watching');
    const before = Date.now();
    await stage(id, 'smtp', 1);
    await until(async () => (await messages(id)).length === 1);
    expect(Date.now() - before).toBeLessThan(45_000);
    expect(await status(id)).toMatchObject({ messages_received: 1, last_error: null });
  });

  test('accepts while paused, and ingests when it resumes', async () => {
    const id = await newChannel('smtp');
    await until(async () => (await status(id)).state === 'watching');
    await deps.relay.flush((await wantState(deps.db, tenantId, id, 'paused'))!.pending);
    await stage(id, 'smtp', 1);
    await sleep(700);
    expect(await messages(id)).toHaveLength(0);
    await deps.relay.flush((await wantState(deps.db, tenantId, id, 'running'))!.pending);
    await until(async () => (await messages(id)).length === 1);
    await until(async () => (await status(id)).state === 'watching');
  });

  test('ends when the channel is stopped, and starts again with it', async () => {
    const id = await newChannel('smtp');
    const handle = deps.client.workflow.getHandle(mailboxWorkflowId({ tenantId, channelId: id }));
    await until(async () => (await status(id)).state === 'watching');
    await deps.relay.flush((await wantState(deps.db, tenantId, id, 'stopped'))!.pending);
    await until(async () => (await handle.describe()).status.name === 'COMPLETED');
    await deps.relay.flush((await wantState(deps.db, tenantId, id, 'running'))!.pending);
    await until(async () => (await status(id)).state === 'watching');
    expect((await handle.describe()).status.name).toBe('RUNNING');
  });
});

describe('an IMAP mailbox', () => {
  test('imports what is there, is woken by IDLE, and syncs on request', async () => {
    for (let n = 0; n < 30; n += 1) server.deliver(USER, mail(n));
    const id = await newChannel('imap');
    await until(async () => (await messages(id)).length === 30);
    await until(async () => (await status(id)).state === 'watching');
    await sleep(1500);
    const before = Date.now();
    server.deliver(USER, mail(31));
    await until(async () => (await messages(id)).length === 31);
    expect(Date.now() - before).toBeLessThan(45_000);
    const { pending } = await requestSync(deps.db, tenantId, { channelId: id });
    await deps.relay.flush(pending);
    await sleep(500);
    expect(await messages(id)).toHaveLength(31);
    expect((await status(id)).messages_received).toBe(31);
    await deps.relay.flush((await wantState(deps.db, tenantId, id, 'stopped'))!.pending);
  });

  test('asked to be fresh is waited for to the end of its sync, or to its failure', async () => {
    const id = await newChannel('imap');
    await until(async () => (await status(id)).state === 'watching');
    const fresh = (channelId: string) =>
      syncFirst(deps, tenantId, { channelId }, AbortSignal.timeout(60_000));
    const before = (await messages(id)).length;
    server.deliver(USER, mail(40));
    expect(await fresh(id)).toEqual({ failed: [], late: [] });
    expect(await messages(id)).toHaveLength(before + 1);
    await deps.relay.flush((await wantState(deps.db, tenantId, id, 'stopped'))!.pending);

    const refused = await newChannel('imap', { password: 'wrong' });
    await until(async () => (await status(refused)).state === 'needs_attention');
    const { trouble_since: since } = await status(refused);
    expect(since).toBeInstanceOf(Date);
    expect(await fresh(refused)).toEqual({ failed: [refused], late: [] });
    expect((await status(refused)).trouble_since).toEqual(since);
    await deps.relay.flush((await wantState(deps.db, tenantId, refused, 'stopped'))!.pending);

    const door = await newChannel('smtp');
    await until(async () => (await status(door)).state === 'watching');
    expect(await fresh(door)).toEqual({ failed: [], late: [] });
  });

  test('where nothing comes sits in one wait, and writes no history', async () => {
    const id = await newChannel('imap');
    const handle = deps.client.workflow.getHandle(mailboxWorkflowId({ tenantId, channelId: id }));
    const isWait = (activity: { activityType?: { name?: string | null } | null }) =>
      activity.activityType?.name === 'waitForMail';
    const waits = async () => (await handle.describe()).raw.pendingActivities ?? [];
    await until(async () => (await waits()).some(isWait));
    const [wait] = await waits();
    const { historyLength } = await handle.describe();
    await sleep(3000);
    expect((await handle.describe()).historyLength).toBe(historyLength);
    expect((await waits()).map(({ activityId }) => activityId)).toEqual([wait!.activityId]);
    await deps.relay.flush((await wantState(deps.db, tenantId, id, 'stopped'))!.pending);
  });

  test('with a refused password names it, raises an event, and recovers when it is put right', async () => {
    const id = await newChannel('imap', { password: 'wrong' });
    await until(async () => (await status(id)).state === 'needs_attention');
    expect((await status(id)).last_error).toMatchObject({
      detail: expect.stringMatching(/password|login/i) as never,
    });
    const changed = await changeChannel(deps.db, tenantId, id, () => ({
      secrets: sealSecrets({ password: 'secret' }, id, deps.keys),
      reconnects: true,
    }));
    await deps.relay.flush(changed!.pending);
    await until(async () => (await status(id)).state === 'watching');
    expect(await channelEvents(id)).toEqual(['channel.needs_attention', 'channel.recovered']);
    await deps.relay.flush((await wantState(deps.db, tenantId, id, 'stopped'))!.pending);
  });

  test('backs off by name while the server is away, and comes back by itself', async () => {
    const id = await newChannel('imap');
    await until(async () => (await status(id)).state === 'watching');
    await server.kill();
    await until(async () => (await status(id)).state === 'backing_off', 30_000);
    expect((await status(id)).detail).toMatch(/\S/);
    await server.start();
    server.deliver(USER, mail(99));
    await until(async () => (await status(id)).state === 'watching', 60_000);
    await until(async () => (await messages(id)).length > 0);
    await deps.relay.flush((await wantState(deps.db, tenantId, id, 'stopped'))!.pending);
  });
});

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { InternalConnectionOptionsSymbol } from '@temporalio/client/lib/connection.js';
import { msToTs, tsToMs } from '@temporalio/common/lib/time.js';
import { bundleWorkflowCode } from '@temporalio/worker';
import { startApi } from '../../api/main.ts';
import { loadConfig } from '../../config/config.ts';
import { inTenant } from '../../db/connection.ts';
import { createApiKey, ensureTenant } from '../../db/queries/tenants.ts';
import { freePort } from '../../embedded/ports.ts';
import { KeyRing } from '../../security/key-ring.ts';
import { createLogger } from '../../telemetry/log.ts';
import { openDeps } from '../../workers/deps.ts';
import { registerSearchAttributes } from '../../workers/temporal/connection.ts';
import { dataConverter, FAILURE_CONVERTER_PATH } from '../../workers/temporal/data-converter.ts';
import { TemporalRelay } from '../../workers/temporal/relay.ts';
import { mailboxWorkflowId } from '../../workflows/contracts/mailbox.ts';
import { testDatabase, timeSkipping } from '../harness/index.ts';
import { request } from '../integration/api-fixture.ts';
import { clockIs, moveClock, restoreClock } from './mailbox-watch-clock.ts';
import { Overseer } from './mailbox-watch-overseer.ts';

const WORKFLOWS = fileURLToPath(new URL('../../workflows/index.ts', import.meta.url));
const PACE = fileURLToPath(new URL('./mailbox-watch-pace.ts', import.meta.url));

export type World = Awaited<ReturnType<typeof openWorld>>;

/** A Temporal server that skips time, a Postgres, the product's doors in this process, its workers in one that is killed. */
export async function openWorld(providers: readonly string[]) {
  const folder = await mkdtemp(join(tmpdir(), 'postroom-killed-'));
  const [database, server, port, bundle] = await Promise.all([
    testDatabase(),
    timeSkipping(),
    freePort(),
    bundleInto(folder),
  ]);
  moveClock(); // not before: what builds the bundle can't do with it
  // The server turns away whoever pings it often and says nothing else, as a call does that waits for days to pass.
  const options = {
    address: server.address,
    channelArgs: { 'grpc.keepalive_time_ms': 3_600_000 },
    [InternalConnectionOptionsSymbol]: { supportsTestService: true },
  };
  const connection = await Connection.connect(options);
  await registerSearchAttributes(new Client({ connection }), 'default');
  const env = {
    DATABASE_URL: database.url,
    TEMPORAL_ADDRESS: server.address,
    TEMPORAL_NAMESPACE: 'default',
    POSTROOM_MASTER_KEY: KeyRing.generate(),
    POSTROOM_ALLOW_PRIVATE_TARGETS: '127.0.0.1',
    POSTROOM_API_PORT: String(port),
    POSTROOM_PUBLIC_URL: `http://127.0.0.1:${port}`,
  };
  const config = loadConfig(env);
  const log = createLogger('error');
  const opened = openDeps(config, log);
  const temporal = new Client({ connection, dataConverter: dataConverter(opened.keys) });
  const relay = new TemporalRelay(temporal, opened.db, config.temporal, log);
  const deps = { ...opened, client: temporal, relay };
  const api = await startApi(deps);
  const tenantId = await ensureTenant(deps.db, 'killed');
  const { key } = await createApiKey(deps.db, tenantId, 'killed', ['*']);

  /** The server's time, in milliseconds; from then on it is this process's, too. */
  async function follow(): Promise<number> {
    const { time } = await connection.testService!.getCurrentTime({});
    const now = tsToMs(time);
    clockIs(now);
    return now;
  }
  await follow();
  const handleOf = (channelId: string) =>
    temporal.workflow.getHandle(mailboxWorkflowId({ tenantId, channelId }));
  const overseer = new Overseer(follow);

  async function call(method: string, path: string, body?: unknown) {
    const answer = await request(api.url + path, method, body, { authorization: `Bearer ${key}` });
    if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.body as { readonly [field: string]: unknown };
  }

  return {
    overseer,
    follow,
    call,
    startWorker: () => overseer.start({ env, bundle, providers }),
    /** Skips the time until then, with all that has to happen meanwhile. */
    async passUntil(atMs: number): Promise<void> {
      const ms = atMs - (await follow());
      if (ms > 0)
        await connection.testService!.unlockTimeSkippingWithSleep({ duration: msToTs(ms) });
      await follow();
    },
    handleOf,
    /** Makes the one channel of the story. */
    async makeChannel(body: object) {
      const made = await call('POST', '/v1/channels', body);
      return { id: String(made.id), doorUrl: String(made.ingress_url) };
    },
    /** All that the doors took has reached the workflow. */
    async isTold(): Promise<boolean> {
      const waiting = await inTenant(deps.db, tenantId, (tx) =>
        tx.selectFrom('outbox').select('ref').where('kind', '=', 'channel').execute(),
      );
      return waiting.length === 0;
    },
    channel: (id: string) =>
      inTenant(deps.db, tenantId, (tx) =>
        tx.selectFrom('channels').selectAll().where('id', '=', id).executeTakeFirstOrThrow(),
      ),
    /** Message-IDs, one for each message. */
    messages: (channelId: string) =>
      inTenant(deps.db, tenantId, async (tx) => {
        const rows = await tx
          .selectFrom('messages')
          .select('message_id')
          .where('channel_id', '=', channelId)
          .execute();
        return rows.map((row) => row.message_id);
      }),
    async close(): Promise<void> {
      await overseer.close();
      await api.close();
      relay.close();
      await opened.close();
      await connection.close();
      await server.teardown();
      restoreClock();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The product's workflows, at the pace of these stories. */
async function bundleInto(folder: string): Promise<string> {
  const { code } = await bundleWorkflowCode({
    workflowsPath: WORKFLOWS,
    failureConverterPath: FAILURE_CONVERTER_PATH,
    workflowInterceptorModules: [PACE],
    logger: { trace() {}, debug() {}, info() {}, log() {}, warn() {}, error: console.error },
  });
  const file = join(folder, 'workflows.js');
  await writeFile(file, code);
  return file;
}

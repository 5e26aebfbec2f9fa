import { spawn, type ChildProcess } from 'node:child_process';
import { join, resolve } from 'node:path';
import { ingestSource } from '../../activities/ingestion.ts';
import { startApi } from '../../api/main.ts';
import { loadConfig } from '../../config/config.ts';
import { createApiKey, ensureTenant } from '../../db/queries/tenants.ts';
import type { TenantId } from '../../domain/ids.ts';
import { KeyRing } from '../../security/key-ring.ts';
import { createLogger } from '../../telemetry/log.ts';
import { openDeps, type OpenDeps } from '../../workers/deps.ts';
import { testDatabase } from './database.ts';
import { testTemporal } from './temporal.ts';

const root = resolve(import.meta.dirname, '../..');
const POLLING_WITHIN_MS = 120_000;

export interface Answer {
  readonly status: number;
  // Tests look into answers of many shapes.
  readonly body: any; // oxlint-disable-line typescript/no-explicit-any
}

/** Workers of every role in a process of their own, to be killed. */
export interface WorkerProcess {
  readonly pid: number;
  readonly log: () => string;
  kill(signal?: NodeJS.Signals): Promise<void>;
}

/** One tenant on real servers, with the API over HTTP; workers are started and killed as the test likes. */
export interface Installation {
  readonly deps: OpenDeps;
  readonly tenantId: TenantId;
  readonly env: Readonly<Record<string, string>>;
  call(method: string, path: string, body?: unknown): Promise<Answer>;
  startWorkers(more?: Readonly<Record<string, string>>): Promise<WorkerProcess>;
  /** Ends all that is still running. */
  close(): Promise<void>;
}

/** Loopback targets are allowed, since the test's servers are there. */
export async function installation(name = 'test'): Promise<Installation> {
  const [database, temporal] = [await testDatabase(), await testTemporal()];
  const env = {
    DATABASE_URL: database.url,
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_NAMESPACE: temporal.namespace,
    POSTROOM_MASTER_KEY: KeyRing.generate(),
    POSTROOM_API_PORT: '0',
    POSTROOM_ALLOW_PRIVATE_TARGETS: '127.0.0.0/8,localhost',
    POSTROOM_LOG_LEVEL: 'info',
  };
  const deps = openDeps(loadConfig(env), createLogger('error'));
  const tenantId = await ensureTenant(deps.db, name);
  const { key } = await createApiKey(deps.db, tenantId, 'test', ['*']);
  const api = await startApi({
    ...deps,
    ingestNow: (channel, sourceId) => ingestSource(deps, channel, sourceId),
  });
  const workers = new Set<WorkerProcess>();
  return {
    deps,
    tenantId,
    env,
    async call(method, path, body) {
      const response = await fetch(api.url + path, {
        method,
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      const isJson = /json/.test(response.headers.get('content-type') ?? '');
      return { status: response.status, body: isJson ? JSON.parse(text) : text };
    },
    async startWorkers(more = {}) {
      const worker = await startWorkerProcess({ ...env, ...more });
      workers.add(worker);
      return worker;
    },
    async close() {
      await Promise.all([...workers].map((worker) => worker.kill('SIGTERM')));
      await api.close();
      await deps.close();
    },
  };
}

async function startWorkerProcess(env: Record<string, string>): Promise<WorkerProcess> {
  const child = spawn(process.execPath, [join(root, 'workers/main.ts'), '--role', 'workers'], {
    cwd: root,
    env: { ...process.env, NODE_OPTIONS: '', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const ended = new Promise<void>((done) => child.once('exit', () => done()));
  await untilPolling(child, () => log);
  return {
    pid: child.pid!,
    log: () => log,
    async kill(signal = 'SIGKILL') {
      child.kill(signal);
      await ended;
    },
  };
}

function untilPolling(child: ChildProcess, log: () => string): Promise<void> {
  return new Promise((done, fail) => {
    const late = setTimeout(
      () => end(new Error(`The workers do not poll:\n${log()}`)),
      POLLING_WITHIN_MS,
    );
    const look = () => {
      if (log().includes('"msg":"running"')) end();
    };
    const exited = () => end(new Error(`The workers ended:\n${log()}`));
    child.stderr!.on('data', look);
    child.once('exit', exited);
    function end(error?: Error): void {
      clearTimeout(late);
      child.stderr!.off('data', look);
      child.off('exit', exited);
      if (error) fail(error);
      else done();
    }
  });
}

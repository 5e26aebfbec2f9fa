import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadConfig } from '../../config/config.ts';
import { migrate } from '../../db/migrate.ts';
import { freePort } from '../../embedded/ports.ts';
import { startPostgres, type EmbeddedPostgres } from '../../embedded/postgres.ts';
import { silentProgress } from '../../embedded/progress.ts';
import { findTemporal } from '../../embedded/temporal-binary.ts';
import { startTemporal } from '../../embedded/temporal.ts';
import { startTethered } from '../../embedded/tether.ts';
import { KeyRing } from '../../security/key-ring.ts';
import { createLogger } from '../../telemetry/log.ts';
import { openDeps, type OpenDeps } from '../../workers/deps.ts';
import { QUEUE } from '../../workflows/contracts/queues.ts';
import { Service, type Launched } from './service.ts';

const root = resolve(import.meta.dirname, '../..');
const DATABASE = 'postroom';
const READY_WITHIN_MS = 120_000;

export const VICTIMS = ['worker', 'api', 'postgres', 'temporal'] as const;
export type Victim = (typeof VICTIMS)[number];

/** What a process says of itself at `/readyz`. */
export interface Readiness {
  /** 0 where nobody answers. */
  readonly status: number;
  readonly parts: readonly {
    readonly name: string;
    readonly ok: boolean;
    readonly detail: string;
  }[];
}

/** Postgres, Temporal, the doors and the workers, each a program that can be killed and comes back with its state. */
export interface ChaosInstallation {
  readonly apiUrl: string;
  readonly smtpPort: number;
  /** The test's own connections, to look with; they come back by themselves. */
  readonly deps: OpenDeps;
  readonly services: Readonly<Record<Victim, Service>>;
  readonly home: string;
  /** Starts one more process with all workers. */
  secondWorker(): Promise<Service>;
  readiness(of: 'api' | 'worker'): Promise<Readiness>;
  /**
   * Until every program says that it is ready and its workers have asked Temporal for work, since a time (Unix, ms) where
   * they or Temporal were killed then. @throws Error with what is not
   */
  ready(polledSince?: number): Promise<void>;
  /** The last lines of a program's log. */
  logTail(name: string, lines?: number): string;
  close(): Promise<void>;
}

export interface ChaosOptions {
  /** Folder of the Postgres cluster; default one beside the rest. */
  readonly postgresHome?: string;
  readonly postgresSettings?: Readonly<Record<string, string>>;
}

/** Starts all of it on loopback, on free ports that it keeps over every restart. */
export async function chaosInstallation(options: ChaosOptions = {}): Promise<ChaosInstallation> {
  const home = mkdtempSync(join(tmpdir(), 'postroom-chaos-'));
  mkdirSync(join(home, 'logs'));
  const ports = {
    postgres: await freePort(),
    temporal: await freePort(),
    api: await freePort(),
    smtp: await freePort(),
    worker: await freePort(),
  };
  let cluster: EmbeddedPostgres | undefined;
  const postgres = new Service('postgres', async () => {
    cluster = await startPostgres({
      home: options.postgresHome ?? home,
      port: ports.postgres,
      // When a row became visible is what the clocks are judged by.
      settings: { track_commit_timestamp: 'on', ...options.postgresSettings },
    });
    return cluster;
  });
  const binary = await findTemporal(process.env, silentProgress);
  const temporal = new Service('temporal', () =>
    startTemporal({ binary, home, port: ports.temporal, namespace: 'default' }),
  );
  await Promise.all([postgres.start(), temporal.start()]);
  await cluster!.ensureDatabase(DATABASE);
  await migrate(cluster!.url(DATABASE));

  const env = {
    DATABASE_URL: cluster!.url(DATABASE),
    POSTROOM_DATABASE_POOL: '10',
    TEMPORAL_ADDRESS: `127.0.0.1:${ports.temporal}`,
    POSTROOM_MASTER_KEY: KeyRing.generate(),
    POSTROOM_HOME: home,
    POSTROOM_API_PORT: String(ports.api),
    POSTROOM_SMTP_PORT: String(ports.smtp),
    POSTROOM_ALLOW_PRIVATE_TARGETS: '127.0.0.0/8,localhost',
  };
  const role = (name: string, roles: string, metricsPort?: number) =>
    new Service(name, async () =>
      launchRoles(join(home, 'logs', `${name}.log`), roles, {
        ...env,
        ...(metricsPort === undefined ? {} : { POSTROOM_METRICS_PORT: String(metricsPort) }),
      }),
    );
  const api = role('api', 'api,smtp');
  const worker = role('worker', 'workers', ports.worker);
  const others: Service[] = [];
  await Promise.all([api.start(), worker.start()]);
  const deps = openDeps(loadConfig(env), createLogger('fatal'));
  const apiUrl = `http://127.0.0.1:${ports.api}`;
  const addresses = { api: apiUrl, worker: `http://127.0.0.1:${ports.worker}` };
  const readiness = (of: 'api' | 'worker') => askReadiness(addresses[of]);
  const installation: ChaosInstallation = {
    apiUrl,
    smtpPort: ports.smtp,
    deps,
    services: { worker, api, postgres, temporal },
    home,
    async secondWorker() {
      const second = role(`worker-${others.length + 2}`, 'workers', await freePort());
      others.push(second);
      await second.start();
      return second;
    },
    readiness,
    async ready(polledSince = 0) {
      await untilReady(readiness, READY_WITHIN_MS);
      await untilPolled(deps, polledSince, READY_WITHIN_MS);
    },
    logTail: (name, lines = 20) =>
      readFileSync(join(home, 'logs', `${name}.log`), 'utf8')
        .trimEnd()
        .split('\n')
        .slice(-lines)
        .join('\n'),
    async close() {
      await Promise.all([api, worker, ...others].map((service) => service.stop()));
      await deps.close();
      await Promise.all([temporal.stop(), postgres.stop()]);
      rmSync(home, { recursive: true, force: true });
    },
  };
  try {
    await installation.ready();
  } catch (error) {
    const logs = `${installation.logTail('api')}\n${installation.logTail('worker')}`;
    await installation.close();
    throw new Error(`${String(error)}\n${logs}`, { cause: error });
  }
  return installation;
}

function launchRoles(log: string, roles: string, env: Readonly<Record<string, string>>): Launched {
  return startTethered({
    name: 'roles',
    command: process.execPath,
    args: [join(root, 'workers/main.ts'), '--role', roles],
    log,
    stopSignal: 'TERM',
    graceSeconds: 15,
    cwd: root,
    env: { ...process.env, NODE_OPTIONS: '', ...env },
  });
}

async function askReadiness(url: string): Promise<Readiness> {
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(8_000) });
    const { parts } = (await response.json()) as { parts?: Readiness['parts'] }; // as /readyz shows it
    return { status: response.status, parts: parts ?? [] };
  } catch {
    return { status: 0, parts: [] };
  }
}

async function untilReady(
  readiness: (of: 'api' | 'worker') => Promise<Readiness>,
  withinMs: number,
): Promise<void> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const found = await Promise.all([readiness('api'), readiness('worker')]);
    if (found.every(({ status }) => status === 200)) return;
    if (Date.now() > deadline)
      throw new Error(`Not ready after ${withinMs / 1000} s: ${JSON.stringify(found)}`);
    await sleep(150);
  }
}

const TASK_QUEUE_TYPE_WORKFLOW = 1;

/** A worker that lost Temporal asks again at intervals of up to 10 s, which is the SDK's own pace. */
async function untilPolled(
  { client, config }: OpenDeps,
  since: number,
  withinMs: number,
): Promise<void> {
  const deadline = Date.now() + withinMs;
  for (const name of [QUEUE.tickets, QUEUE.mailboxes, QUEUE.deliveries]) {
    for (;;) {
      const { pollers } = await client.workflowService.describeTaskQueue({
        namespace: config.temporal.namespace,
        taskQueue: { name },
        taskQueueType: TASK_QUEUE_TYPE_WORKFLOW,
      });
      const seen = (pollers ?? []).map(
        ({ lastAccessTime: at }) => Number(at?.seconds ?? 0) * 1000 + 999,
      );
      if (seen.some((at) => at >= since)) break;
      if (Date.now() > deadline) throw new Error(`Nobody polls queue ${name}.`);
      await sleep(50);
    }
  }
}

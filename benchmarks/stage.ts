import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { loadConfig } from '../config/config.ts';
import { migrate } from '../db/migrate.ts';
import { createApiKey, ensureTenant } from '../db/queries/tenants.ts';
import type { TenantId } from '../domain/ids.ts';
import { freePort } from '../embedded/ports.ts';
import { startPostgres } from '../embedded/postgres.ts';
import { silentProgress } from '../embedded/progress.ts';
import { findTemporal } from '../embedded/temporal-binary.ts';
import { startTemporal } from '../embedded/temporal.ts';
import { KeyRing } from '../security/key-ring.ts';
import { createLogger } from '../telemetry/log.ts';
import { openDeps, type OpenDeps } from '../workers/deps.ts';

const root = resolve(import.meta.dirname, '..');
const DATABASE = 'postroom';
const RUNNING_WITHIN_MS = 60_000;

/** Servers as `npm start` brings them up, settings and all, in a folder of their own. */
export interface Stage {
  /** The product's own way to both servers, for looking at what came about. */
  readonly deps: OpenDeps;
  readonly databaseUrl: string;
  /** Starts the whole product, each role, in a process of its own. */
  startProduct(more?: Readonly<Record<string, string>>): Promise<Product>;
  newTenant(name: string): Promise<Tenant>;
  /** What Postgres spent most time on, where it counts. */
  costliestStatements(): Promise<string[]>;
  close(): Promise<void>;
}

const COSTLIEST = `
  select round(total_exec_time + total_plan_time)::text as ms, calls::text,
         left(regexp_replace(query, '\\s+', ' ', 'g'), 100) as query
    from pg_stat_statements order by total_exec_time desc limit 25`;

export interface Product {
  readonly pid: number;
  readonly url: string;
  readonly log: () => string;
  stop(): Promise<void>;
}

export interface Tenant {
  readonly id: TenantId;
  /** Calls the API of a product process as this tenant; throws what it says where it refuses. */
  call<T>(product: Product, method: string, path: string, body?: unknown): Promise<T>;
}

export interface StageOptions {
  /** Folder for the product's CPU profiles; Postgres counts its statements, too. */
  readonly profile?: string;
}

export async function openStage({ profile }: StageOptions = {}): Promise<Stage> {
  const home = mkdtempSync(join(tmpdir(), 'postroom-bench-'));
  const binary = await findTemporal(process.env, silentProgress);
  const [postgres, temporal] = await Promise.all([
    startPostgres({
      home,
      port: 0,
      ...(profile && { settings: { shared_preload_libraries: 'pg_stat_statements' } }),
    }),
    startTemporal({ binary, home, port: 0, namespace: 'default' }),
  ]);
  await postgres.ensureDatabase(DATABASE);
  const databaseUrl = postgres.url(DATABASE);
  await migrate(databaseUrl);
  if (profile) await withClient(databaseUrl, 'create extension pg_stat_statements');
  const env = {
    DATABASE_URL: databaseUrl,
    TEMPORAL_ADDRESS: temporal.address,
    POSTROOM_MASTER_KEY: KeyRing.generate(),
    POSTROOM_ALLOW_PRIVATE_TARGETS: '127.0.0.0/8,localhost',
    POSTROOM_LOG_LEVEL: 'info',
    ...(profile && { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profile}` }),
  };
  const deps = openDeps(loadConfig(env), createLogger('error'));
  const running = new Set<Product>();
  return {
    deps,
    databaseUrl,
    async startProduct(more = {}) {
      const product = await startProduct({ ...env, ...more });
      running.add(product);
      return product;
    },
    async newTenant(name) {
      const id = await ensureTenant(deps.db, name);
      const { key } = await createApiKey(deps.db, id, 'benchmark', ['*']);
      return { id, call: (product, ...request) => call(product.url, key, ...request) };
    },
    async costliestStatements() {
      if (!profile) return [];
      const rows = await withClient(databaseUrl, COSTLIEST);
      return rows.map((row) => `${row.ms} ms in ${row.calls}: ${row.query}`);
    },
    async close() {
      await Promise.all([...running].map((product) => product.stop()));
      await deps.close();
      await Promise.all([postgres.stop(), temporal.stop()]);
      rmSync(home, { recursive: true, force: true });
    },
  };
}

async function withClient(url: string, statement: string): Promise<Record<string, string>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, string>>(statement)).rows;
  } finally {
    await client.end();
  }
}

async function startProduct(env: Readonly<Record<string, string>>): Promise<Product> {
  const [apiPort, smtpPort] = [await freePort(), await freePort()];
  const child = spawn(process.execPath, [join(root, 'workers/main.ts'), '--role', 'all'], {
    cwd: root,
    env: {
      ...process.env,
      ...env,
      POSTROOM_API_PORT: String(apiPort),
      POSTROOM_SMTP_PORT: String(smtpPort),
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(-100_000)));
  const ended = new Promise<void>((done) => child.once('exit', () => done()));
  const deadline = Date.now() + RUNNING_WITHIN_MS;
  while (!log.includes('"msg":"running"')) {
    if (child.exitCode !== null || Date.now() > deadline)
      throw new Error(`The product did not start:\n${log}`);
    await sleep(20);
  }
  return {
    pid: child.pid!,
    url: `http://127.0.0.1:${apiPort}`,
    log: () => log,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

async function call<T>(
  url: string,
  key: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<T> {
  const response = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
  return JSON.parse(text) as T; // the caller names the resource's shape
}

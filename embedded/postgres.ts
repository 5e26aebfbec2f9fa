import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { freePort } from './ports.ts';
import { postgresBinaries, type PostgresBinaries } from './postgres-binaries.ts';
import { endPostmaster } from './postmaster.ts';
import { startTethered, type Tethered } from './tether.ts';
import { unprivileged, type Unprivileged } from './unprivileged.ts';

export interface PostgresOptions {
  /** State folder: the cluster goes to `postgres/` in it, the password beside it. */
  readonly home: string;
  /** 0 takes any free one. */
  readonly port: number;
  /** Further server settings, e.g. `fsync: 'off'` for tests. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface EmbeddedPostgres {
  readonly port: number;
  /** Of the wrapper that the server is a child of. */
  readonly pid: number;
  /** Connection address of a database, as superuser. */
  url(database: string): string;
  /** Makes the database where it is missing. */
  ensureDatabase(name: string): Promise<void>;
  readonly exited: Tethered['exited'];
  stop(): Promise<void>;
  logTail: Tethered['logTail'];
}

const USER = 'postgres';
const READY_WITHIN_MS = 60_000;
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '256MB',
  // Bulk imports write much; fewer, larger checkpoints cost disk alone.
  max_wal_size: '4GB',
  checkpoint_timeout: '15min',
  wal_compression: 'on',
  // Until they are first analysed, tables that grow are searched as the empty ones that they were.
  autovacuum_naptime: '5s',
  timezone: 'UTC',
  log_timezone: 'UTC',
};

/**
 * Starts the embedded server on loopback, making its cluster on first use, and waits until it
 * answers. It ends with this process, however that ends. A server left by an earlier one is ended
 * first: the caller holds the lock of the home.
 */
export async function startPostgres(options: PostgresOptions): Promise<EmbeddedPostgres> {
  const home = resolve(options.home);
  const data = join(home, 'postgres');
  const binaries = postgresBinaries();
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const password = keptPassword(join(home, 'postgres.password'));
  const passwordFile = join(data, 'initdb.password');
  writeFileSync(passwordFile, password, { mode: 0o600 });
  const asUser = unprivileged(data, binaries.postgres, home);
  await endPostmaster(data);
  if (!existsSync(join(data, 'cluster', 'PG_VERSION')))
    initialise(data, binaries, asUser, passwordFile);
  rmSync(passwordFile, { force: true });
  const { server, port } = await startOnAPort(
    { ...options, home },
    data,
    binaries,
    asUser,
    password,
  );
  const url = (database: string) => address(port, password, database);
  return {
    port,
    pid: server.pid,
    url,
    ensureDatabase: (name) => ensureDatabase(url('postgres'), name),
    exited: server.exited,
    stop: () => server.stop(),
    logTail: (lines) => server.logTail(lines),
  };
}

function address(port: number, password: string, database: string): string {
  return `postgres://${USER}:${password}@127.0.0.1:${port}/${database}`;
}

function keptPassword(file: string): string {
  if (!existsSync(file))
    writeFileSync(file, randomBytes(24).toString('base64url'), { mode: 0o600 });
  return readFileSync(file, 'utf8').trim();
}

/** Made beside its place and renamed, so that a kill in between leaves no half a cluster. */
function initialise(
  data: string,
  binaries: PostgresBinaries,
  asUser: Unprivileged,
  passwordFile: string,
): void {
  const fresh = join(data, 'cluster.new');
  rmSync(fresh, { recursive: true, force: true });
  const [command, args] = asUser(binaries.initdb, [
    `--pgdata=${fresh}`,
    `--username=${USER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--locale=C',
    '--no-instructions',
    '--no-sync',
  ]);
  const made = spawnSync(command, args, { encoding: 'utf8' });
  if (made.status !== 0)
    throw new Error(
      `Postgres could not make its cluster in ${fresh}: ${made.error?.message ?? ''}${made.stderr}${made.stdout}`,
    );
  renameSync(fresh, join(data, 'cluster'));
}

async function startOnAPort(
  options: PostgresOptions,
  data: string,
  binaries: PostgresBinaries,
  asUser: Unprivileged,
  password: string,
): Promise<{ server: Tethered; port: number }> {
  for (let attempt = 1; ; attempt++) {
    const port = options.port === 0 ? await freePort() : options.port;
    const settings = { ...SETTINGS, port: String(port), ...options.settings };
    const [command, args] = asUser(binaries.postgres, [
      '-D',
      join(data, 'cluster'),
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ]);
    const log = join(options.home, 'logs', 'postgres.log');
    const server = startTethered({ name: 'postgres', command, args, log, stopSignal: 'INT' });
    const problem = await untilReady(address(port, password, 'postgres'), server);
    if (problem === undefined) return { server, port };
    await server.stop();
    // Between our look and its bind another program may have taken a free port.
    const lostTheRace = options.port === 0 && attempt < 3 && problem.includes('could not bind');
    if (!lostTheRace) throw new Error(`Postgres did not start: ${problem}`);
  }
}

/** What went wrong, or undefined once a connection is accepted. */
async function untilReady(url: string, server: Tethered): Promise<string | undefined> {
  const deadline = Date.now() + READY_WITHIN_MS;
  let ended = false;
  void server.exited.then(() => (ended = true));
  for (;;) {
    const refused = await connectOnce(url);
    if (refused === undefined) return undefined;
    if (ended) return `it ended at once.\n${server.logTail()}`;
    if (Date.now() > deadline)
      return `it does not answer after ${READY_WITHIN_MS / 1000} s (${refused}).\n${server.logTail()}`;
    await sleep(25);
  }
}

async function connectOnce(url: string): Promise<string | undefined> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 3000 });
  client.on('error', () => undefined); // the same error rejects connect
  try {
    await client.connect();
    await client.end();
    return undefined;
  } catch (error) {
    await client.end().catch(() => undefined);
    return error instanceof Error ? error.message : String(error);
  }
}

async function ensureDatabase(adminUrl: string, name: string): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    const found = await client.query('select 1 from pg_database where datname = $1', [name]);
    if (found.rowCount === 0)
      await client.query(`create database ${client.escapeIdentifier(name)}`);
  } finally {
    await client.end();
  }
}

import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readRunningState, type RunningState } from '../../embedded/running-state.ts';
import { testDatabase } from './database.ts';
import { testTemporal } from './temporal.ts';

const root = resolve(import.meta.dirname, '../..');
const READY_WITHIN_MS = 90_000;

export interface ProductOptions {
  /** State folder to continue with; default a new one, removed by `remove`. */
  readonly home?: string;
  /** With Postgres and Temporal of its own, as on a user's machine; default those of the test run. */
  readonly ownServers?: boolean;
  /** Put over the environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** The whole product as `npm start` runs it, in processes of its own. */
export interface RunningProduct {
  readonly home: string;
  readonly running: RunningState;
  /** Admin key of the demo tenant; null where an earlier start has shown it. */
  readonly key: string | null;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** What it started with, for another start on the same servers. */
  readonly env: Readonly<Record<string, string>>;
  /** Sends a signal to the product's own process. */
  signal(signal: NodeJS.Signals): void;
  /** Settles with its exit code, or the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals>;
  /** Ctrl-C, and waits for the end. */
  stop(): Promise<number | NodeJS.Signals>;
  /** Ends it where it runs, and removes its home. */
  remove(): Promise<void>;
}

/** Starts the product; returns once it has printed its summary. */
export async function startedProduct(options: ProductOptions = {}): Promise<RunningProduct> {
  const home = options.home ?? mkdtempSync(join(tmpdir(), 'postroom-product-'));
  const env = {
    POSTROOM_HOME: home,
    POSTROOM_API_PORT: '0',
    POSTROOM_SMTP_PORT: '0',
    POSTROOM_TEMPORAL_PORT: '0',
    POSTROOM_TEMPORAL_UI_PORT: '0',
    ...(options.ownServers ? {} : await sharedServers(options.env)),
    ...options.env,
  };
  const output = { stdout: '', stderr: '' };
  const child = spawn(process.execPath, [join(root, 'embedded/start.ts')], {
    cwd: root,
    env: { ...process.env, NODE_OPTIONS: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
  const exited = new Promise<number | NodeJS.Signals>((done) => {
    child.once('exit', (code, signal) => done(code ?? signal ?? 1));
  });
  try {
    await untilSummary(child, output);
  } catch (error) {
    if (options.home === undefined) rmSync(home, { recursive: true, force: true });
    throw error;
  }
  const running = readRunningState(home);
  if (running === null) throw new Error(`No running.json in ${home}:\n${output.stderr}`);
  const stop = async () => {
    child.kill('SIGINT');
    return exited;
  };
  return {
    home,
    running,
    key: /prk_[0-9A-Z]{26}_[A-Za-z0-9-]{43}/.exec(output.stdout)?.[0] ?? null,
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    env,
    signal: (signal) => void child.kill(signal),
    exited,
    stop,
    async remove() {
      if (child.exitCode === null && child.signalCode === null) await stop();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

async function sharedServers(
  given: Readonly<Record<string, string>> = {},
): Promise<Record<string, string>> {
  const servers: Record<string, string> = {};
  if (!given.DATABASE_URL) servers.DATABASE_URL = (await testDatabase()).url;
  if (!given.TEMPORAL_ADDRESS) {
    const { address, namespace } = await testTemporal();
    servers.TEMPORAL_ADDRESS = address;
    servers.TEMPORAL_NAMESPACE = namespace;
  }
  return servers;
}

async function untilSummary(
  child: ChildProcess,
  output: { readonly stdout: string; readonly stderr: string },
): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS;
  while (!output.stdout.includes('everything is kept.')) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`The product ended instead of starting:\n${output.stderr}`);
    if (Date.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`The product did not start in time:\n${output.stdout}${output.stderr}`);
    }
    await sleep(50);
  }
}

/** What the product wrote to its log file. */
export function productLog(home: string): string {
  const file = join(home, 'logs', 'postroom.log');
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

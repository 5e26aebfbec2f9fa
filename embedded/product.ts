import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Config } from '../config/config.ts';
import { connect } from '../db/connection.ts';
import { migrate } from '../db/migrate.ts';
import { ensureDemoTenant } from './demo-tenant.ts';
import { fileLogger } from './file-log.ts';
import { ensureEnvironmentChannels } from './environment-channels.ts';
import { lockHome } from './lock.ts';
import type { Progress } from './progress.ts';
import { removeRunningState, writeRunningState, type RunningState } from './running-state.ts';
import { startServers, type EmbeddedServer, type ProductConfig } from './servers.ts';

/** The whole product in this process, on the servers configured or embedded. */
export interface Product {
  readonly running: RunningState;
  /** Null after a home's first start. */
  readonly firstKey: string | null;
  /** Rejects when a part ends that should not; the caller then stops the rest. */
  readonly failed: Promise<never>;
  /** Ends everything in order: doors and workers, then the servers. */
  stop(): Promise<void>;
}

const READY_WITHIN_MS = 60_000;

/**
 * Starts everything; returns once `/readyz` answers 200 and the demo tenant is there. What was
 * started is ended again where a later step fails.
 * @param signal gives the start up: what was started is ended, and the signal's reason is thrown
 * @throws AlreadyRunning, PortTaken, NoTemporal, ConfigError, Error
 */
export async function startProduct(
  given: Config,
  progress: Progress,
  signal: AbortSignal = new AbortController().signal,
): Promise<Product> {
  const ending: (() => Promise<void> | void)[] = [];
  const stop = once(async () => {
    for (const end of ending.toReversed()) await end();
  });
  try {
    const lock = lockHome(given.home);
    ending.push(() => lock.release());
    const loading = import('./roles.ts'); // most of our code: loaded while the servers start
    loading.catch(() => undefined); // awaited below
    const { config, servers } = await startServers(given, progress);
    ending.push(() => endAll(servers));
    signal.throwIfAborted();
    await progress.step('Bringing the database up to date', () => migrate(config.databaseUrl));
    const { PRODUCT_ROLES, startRoles } = await loading;
    const roles = await progress.step('Starting the workers and the API', () =>
      startRoles(config, fileLogger(config), PRODUCT_ROLES),
    );
    ending.push(() => roles.stop());
    signal.throwIfAborted();
    const failed = Promise.race([roles.failed, ...servers.map(unexpectedEnd)]);
    failed.catch(() => undefined); // the caller may not be listening yet
    const running = runningState(config);
    await progress.step('Waiting until every part is ready', () =>
      Promise.race([untilReady(running.apiUrl, signal), failed]),
    );
    const firstKey = await withChannels(config, running.apiUrl);
    writeRunningState(config.home, running);
    ending.push(() => removeRunningState(config.home));
    return { running, firstKey, failed, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function withChannels(config: ProductConfig, apiUrl: string): Promise<string | null> {
  const db = connect({ url: config.databaseUrl, poolSize: 1 });
  try {
    const firstKey = await ensureDemoTenant(db, config.home, apiUrl);
    await ensureEnvironmentChannels(db, config, apiUrl);
    return firstKey;
  } finally {
    await db.destroy();
  }
}

function runningState(config: ProductConfig): RunningState {
  const local = config.host === '0.0.0.0' || config.host === '::' ? '127.0.0.1' : config.host;
  return {
    pid: process.pid,
    databaseUrl: config.databaseUrl,
    temporalAddress: config.temporal.address,
    temporalUiUrl: config.temporal.uiUrl,
    apiUrl: `http://${local.includes(':') ? `[${local}]` : local}:${config.apiPort}`,
    smtpHost: local,
    smtpPort: config.smtp.port,
  };
}

async function untilReady(apiUrl: string, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS;
  for (;;) {
    const answer = await readiness(apiUrl);
    if (answer === undefined) return;
    if (Date.now() > deadline)
      throw new Error(`Not ready after ${READY_WITHIN_MS / 1000} s: ${answer}`);
    await sleep(50, undefined, { signal });
  }
}

/** What `/readyz` finds amiss; undefined once it answers 200. */
async function readiness(apiUrl: string): Promise<string | undefined> {
  try {
    const response = await fetch(`${apiUrl}/readyz`, { signal: AbortSignal.timeout(5000) });
    return response.ok ? undefined : notReady(await response.text());
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const Readiness = z.object({
  parts: z.array(z.object({ name: z.string(), ok: z.boolean(), detail: z.string() })),
});

function notReady(body: string): string {
  const answer = Readiness.safeParse(JSON.parse(body));
  if (!answer.success) return body;
  const amiss = answer.data.parts.filter(({ ok }) => !ok);
  return amiss.map(({ name, detail }) => `\n  ${name}: ${detail}`).join('');
}

async function unexpectedEnd(server: EmbeddedServer): Promise<never> {
  const { code, signal } = await server.exited;
  throw new Error(
    `${server.name} ended unexpectedly (${signal ?? `code ${code}`}). Its last lines:\n${server.logTail()}`,
  );
}

async function endAll(servers: readonly EmbeddedServer[]): Promise<void> {
  await Promise.all(servers.map((server) => server.stop()));
}

function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => (done ??= work());
}

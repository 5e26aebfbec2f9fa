import { readFileSync } from 'node:fs';
import { ingestSource } from '../activities/ingestion.ts';
import { startDoorKeyLoop } from '../api/channels/missing-door-keys.ts';
import { startMailDoor, type MailDoorOptions } from '../api/ingress/smtp.ts';
import type { ReadinessPart } from '../api/deps.ts';
import { startApi } from '../api/main.ts';
import { ConfigError, type Config } from '../config/config.ts';
import type { Logger } from '../telemetry/log.ts';
import { proveStorage } from '../db/queries/health.ts';
import { readBacklog } from '../db/queries/backlog.ts';
import { watchBacklog } from '../telemetry/backlog-metrics.ts';
import { startTracing } from '../telemetry/tracing.ts';
import { openDeps, type OpenDeps } from '../workers/deps.ts';
import { startMonitor } from '../workers/monitor.ts';
import { ROLES as WORKER_ROLES } from '../workers/roles.ts';
import { startWorkers } from '../workers/start.ts';
import { createCodecHandler } from '../workers/temporal/codec-server.ts';
import { temporalReadiness } from '../workers/temporal/connection.ts';

/** The API with its HTTP doors, the mail door, and the workers of each kind. */
export const PRODUCT_ROLES = ['api', 'smtp', ...WORKER_ROLES] as const;
export type ProductRole = (typeof PRODUCT_ROLES)[number];

export interface RunningRoles {
  /** Rejects when a worker ends by itself. */
  readonly failed: Promise<never>;
  /** Ends the doors first, so that nothing new comes in, then the workers, then what they share. */
  stop(): Promise<void>;
}

/** Starts roles of the product in this process, on servers that are all configured. */
export async function startRoles(
  config: Config,
  log: Logger,
  roles: readonly ProductRole[],
): Promise<RunningRoles> {
  const tracing = await startTracing(config.tracing);
  const deps = openDeps(config, log);
  watchBacklog(() => readBacklog(deps.db));
  const ending: (() => Promise<void>)[] = [() => tracing.close(), () => deps.close()];
  const stop = async () => {
    for (const end of ending.toReversed()) await end();
  };
  try {
    const working = WORKER_ROLES.filter((role) => roles.includes(role));
    const workers = working.length > 0 ? await startWorkers(deps, working) : undefined;
    if (workers) ending.push(() => workers.stop());
    const readiness = async () => [
      await temporalReadiness(deps.client),
      ...((await workers?.readiness()) ?? []),
    ];
    if (config.metricsPort !== undefined) {
      const monitor = await startMonitor(
        { host: config.host, port: config.metricsPort },
        async () => [await databaseReadiness(deps), ...(await readiness())],
      );
      ending.push(() => monitor.close());
    }
    if (roles.includes('api')) {
      const api = await startApi({
        ...deps,
        ingestNow: (channel, sourceId) => ingestSource(deps, channel, sourceId),
        codec: createCodecHandler(deps.keys, config.temporal.uiUrl),
        readiness,
      });
      ending.push(() => api.close(), startDoorKeyLoop(deps));
    }
    if (roles.includes('smtp')) {
      const door = await startMailDoor(deps, mailDoorOptions(config));
      ending.push(() => door.close());
    }
    return { failed: workers?.failed ?? new Promise<never>(() => undefined), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function databaseReadiness({ db }: OpenDeps): Promise<ReadinessPart> {
  try {
    await proveStorage(db);
    return { name: 'database', ok: true, detail: '' };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return {
      name: 'database',
      ok: false,
      detail: `${reason}. Start Postgres, mend DATABASE_URL, or give its disk more room.`,
    };
  }
}

function mailDoorOptions({ host, smtp }: Config): MailDoorOptions {
  const { port, maxBytes, certFile, keyFile } = smtp;
  if (certFile === undefined && keyFile === undefined) return { host, port, maxBytes };
  if (certFile === undefined || keyFile === undefined)
    throw new ConfigError('POSTROOM_SMTP_TLS_CERT and POSTROOM_SMTP_TLS_KEY are wanted together.');
  const tls = { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
  return { host, port, maxBytes, tls };
}

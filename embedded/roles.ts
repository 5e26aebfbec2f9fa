import { readFileSync } from 'node:fs';
import { startMailDoor, type MailDoorOptions } from '../api/ingress/smtp.ts';
import { startApi } from '../api/main.ts';
import { ConfigError, type Config } from '../config/config.ts';
import type { Logger } from '../telemetry/log.ts';
import { openDeps } from '../workers/deps.ts';
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
  const deps = openDeps(config, log);
  const ending: (() => Promise<void>)[] = [() => deps.close()];
  const stop = async () => {
    for (const end of ending.toReversed()) await end();
  };
  try {
    const working = WORKER_ROLES.filter((role) => roles.includes(role));
    const workers = working.length > 0 ? await startWorkers(deps, working) : undefined;
    if (workers) ending.push(() => workers.stop());
    if (roles.includes('api')) {
      const api = await startApi({
        ...deps,
        codec: createCodecHandler(deps.keys, config.temporal.uiUrl),
        readiness: async () => [
          await temporalReadiness(deps.client),
          ...((await workers?.readiness()) ?? []),
        ],
      });
      ending.push(() => api.close());
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

function mailDoorOptions({ host, smtp }: Config): MailDoorOptions {
  const { port, maxBytes, certFile, keyFile } = smtp;
  if (certFile === undefined && keyFile === undefined) return { host, port, maxBytes };
  if (certFile === undefined || keyFile === undefined)
    throw new ConfigError('POSTROOM_SMTP_TLS_CERT and POSTROOM_SMTP_TLS_KEY are wanted together.');
  const tls = { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
  return { host, port, maxBytes, tls };
}

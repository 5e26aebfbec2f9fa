import { startApi } from '../api/main.ts';
import type { Config } from '../config/config.ts';
import type { Logger } from '../telemetry/log.ts';
import { openDeps } from '../workers/deps.ts';
import { ROLES } from '../workers/roles.ts';
import { startWorkers } from '../workers/start.ts';

export interface RunningRoles {
  /** Rejects when a worker ends by itself. */
  readonly failed: Promise<never>;
  /** Ends the doors first, so that nothing new comes in, then the workers, then what they share. */
  stop(): Promise<void>;
}

/** Starts every role of the product in this process, on servers that are all configured. */
export async function startRoles(config: Config, log: Logger): Promise<RunningRoles> {
  const deps = openDeps(config, log);
  const ending: (() => Promise<void>)[] = [() => deps.close()];
  const stop = async () => {
    for (const end of ending.toReversed()) await end();
  };
  try {
    const workers = await startWorkers(deps, ROLES);
    ending.push(() => workers.stop());
    const api = await startApi({ ...deps, readiness: workers.readiness });
    ending.push(() => api.close());
    return { failed: workers.failed, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

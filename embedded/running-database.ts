import type { Config } from '../config/config.ts';
import { readRunningState } from './running-state.ts';

/**
 * Address of the database that the product works on: as configured, else that of the product
 * running with this home.
 * @throws Error that says what to start or set.
 */
export function runningDatabaseUrl(config: Config): string {
  if (config.databaseUrl !== undefined) return config.databaseUrl;
  const running = readRunningState(config.home);
  if (running) return running.databaseUrl;
  throw new Error(
    `Postroom is not running with the state in ${config.home}. ` +
      'Run `npm start` in another terminal first, or set DATABASE_URL (and POSTROOM_HOME where the state is elsewhere).',
  );
}

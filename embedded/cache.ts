import { homedir } from 'node:os';
import { join } from 'node:path';

/** The environment as `config` gives it. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Per-user folder of what is fetched or built once for all checkouts. */
export function cacheFolder(environment: Environment): string {
  const base = environment.XDG_CACHE_HOME ?? join(homedir(), '.cache');
  return join(base, 'postroom');
}

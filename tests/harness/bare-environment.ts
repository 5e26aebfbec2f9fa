import { delimiter } from 'node:path';

/** The environment of the machine without our dependencies, as on a fresh clone. */
export function bareEnvironment(
  more: Readonly<Record<string, string>> = {},
): Record<string, string | undefined> {
  const path = (process.env.PATH ?? '').split(delimiter);
  const bare = path.filter((entry) => !entry.includes('node_modules')).join(delimiter);
  return { ...process.env, PATH: bare, NODE_OPTIONS: '', ...more };
}

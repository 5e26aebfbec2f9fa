import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Kysely, PostgresDialect } from 'kysely';
import { Migrator, type Migration } from 'kysely/migration';
import pg from 'pg';

const FOLDER = new URL('./migrations/', import.meta.url);

/** Brings the database up to date; safe to call from several processes at once. Returns the names it applied. */
export async function migrate(databaseUrl: string): Promise<string[]> {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 1 });
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
  try {
    const migrator = new Migrator({ db, provider: { getMigrations } });
    const { error, results } = await migrator.migrateToLatest();
    if (error) throw new Error('The database could not be brought up to date.', { cause: error });
    return (results ?? []).map((result) => result.migrationName);
  } finally {
    await db.destroy();
  }
}

/** Names of all migrations of this release, in their order. */
export async function migrationNames(): Promise<string[]> {
  const files = await readdir(FOLDER);
  return files
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .map((name) => name.slice(0, -3));
}

async function getMigrations(): Promise<Record<string, Migration>> {
  const names = await migrationNames();
  const loaded = await Promise.all(
    names.map(
      async (name) =>
        [name, (await import(new URL(`${name}.ts`, FOLDER).href)) as Migration] as const,
    ),
  );
  return Object.fromEntries(loaded);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { loadConfig } = await import('../config/config.ts');
  const url = loadConfig().databaseUrl;
  if (!url) {
    console.error(
      'Set DATABASE_URL to the database to migrate; the embedded one is migrated by npm start.',
    );
    process.exit(2);
  }
  const applied = await migrate(url);
  console.log(
    applied.length === 0 ? 'The database is up to date.' : `Applied: ${applied.join(', ')}`,
  );
}

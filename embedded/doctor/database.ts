import { migrationNames } from '../../db/migrate.ts';
import {
  appliedMigrations,
  roleFacts,
  seesAllTenants,
  serverFacts,
  tenantTables,
  type OwnerDb,
} from '../../db/queries/inspection.ts';
import { findingsOf, looking, reasonOf, type Finding } from './finding.ts';

const OLDEST_POSTGRES = 150_000;
const SKEW_WARNING_MS = 1_000;
const SKEW_BROKEN_MS = 30_000;

const found = findingsOf('database');

/** Whether Postgres answers, and is as the product wants it. */
export async function lookAtDatabase(db: OwnerDb): Promise<readonly Finding[]> {
  let server: Awaited<ReturnType<typeof serverFacts>>;
  try {
    server = await serverFacts(db);
  } catch (error) {
    return [
      found.broken('reachable', {
        detail: `Postgres does not answer: ${reasonOf(error)}`,
        cure: 'Start Postgres, or mend DATABASE_URL. docs/runbooks/postgres-away.md',
      }),
    ];
  }
  return [
    found.ok('reachable', `Postgres ${server.text} answers`),
    versionOf(server.version, server.text),
    clockOf(server.aheadMs),
    ...(await looking('database', 'migrations', () => migrations(db))),
    ...(await looking('database', 'row level security', () => rowSecurity(db))),
    ...(await looking('database', 'role', () => role(db))),
    ...(await looking('database', 'sight', () => sight(db))),
  ];
}

function versionOf(version: number, text: string): Finding {
  if (version >= OLDEST_POSTGRES) return found.ok('version', `Postgres ${text}`);
  return found.broken('version', {
    detail: `Postgres ${text} is too old`,
    cure: 'Move to Postgres 15 or newer: dump, install, restore.',
  });
}

function clockOf(aheadMs: number): Finding {
  const off = Math.abs(aheadMs);
  const detail = `Postgres’ clock is ${Math.round(off)} ms ${aheadMs < 0 ? 'behind' : 'ahead of'} ours`;
  if (off < SKEW_WARNING_MS) return found.ok('clock', detail);
  const cure = 'Let both machines take their time from NTP (`timedatectl set-ntp true`).';
  return (off < SKEW_BROKEN_MS ? found.warning : found.broken)('clock', { detail, cure });
}

async function migrations(db: OwnerDb): Promise<Finding[]> {
  const wanted = await migrationNames();
  const applied = new Set((await appliedMigrations(db)) ?? []);
  const missing = wanted.filter((name) => !applied.has(name));
  const newer = [...applied].filter((name) => !wanted.includes(name));
  if (missing.length > 0)
    return [
      found.broken('migrations', {
        detail: `Not applied: ${missing.join(', ')}`,
        cure: 'Run `npm run migrate`, then restart every process.',
      }),
    ];
  if (newer.length > 0)
    return [
      found.broken('migrations', {
        detail: `The database is newer than this program: ${newer.join(', ')}`,
        cure: 'Run the doctor of the release that the processes run.',
      }),
    ];
  return [found.ok('migrations', `${wanted.length} applied, none missing`)];
}

async function rowSecurity(db: OwnerDb): Promise<Finding[]> {
  const tables = await tenantTables(db);
  const open = tables.filter(({ secured, policies }) => !secured || policies === 0);
  if (tables.length === 0)
    return [
      found.broken('row level security', {
        detail: 'There are no tables yet',
        cure: 'Run `npm run migrate`.',
      }),
    ];
  if (open.length === 0)
    return [found.ok('row level security', `In force on all ${tables.length} tables`)];
  const names = open.map(({ table }) => table).join(', ');
  return [
    found.broken('row level security', {
      detail: `Not in force on ${names}: one tenant may read another’s rows`,
      cure: `As the owner: ${open.map(({ table }) => `alter table ${table} enable row level security;`).join(' ')} Where a table has no policy, restore it from db/migrations.`,
    }),
  ];
}

/** Said only where it is missing. */
async function sight(db: OwnerDb): Promise<Finding[]> {
  if (await seesAllTenants(db)) return [];
  return [
    found.unknown('sight', {
      detail: 'The user of DATABASE_URL does not own the tables, and sees no tenant’s rows',
      cure: 'For the doctor alone, name the owner: `DATABASE_URL=postgres://owner@… npm run doctor`.',
    }),
  ];
}

async function role(db: OwnerDb): Promise<Finding[]> {
  const facts = await roleFacts(db);
  if (!facts)
    return [
      found.broken('role', {
        detail: 'There is no role postroom_app, as which the product works',
        cure: 'Run `npm run migrate` as a user that may create roles.',
      }),
    ];
  const faults = [
    ...(facts.superuser ? ['is a superuser'] : []),
    ...(facts.bypasses ? ['may bypass row level security'] : []),
    ...(facts.owns > 0 ? [`owns ${facts.owns} tables, whose policies then don't bind it`] : []),
    ...(facts.member ? [] : ['is not granted to the user of DATABASE_URL']),
  ];
  if (faults.length === 0) return [found.ok('role', 'postroom_app owns and bypasses nothing')];
  return [
    found.broken('role', {
      detail: `postroom_app ${faults.join(', and ')}`,
      cure: 'As a superuser: `alter role postroom_app nosuperuser nobypassrls`; `grant postroom_app to` the user of DATABASE_URL; give its tables to that user.',
    }),
  ];
}

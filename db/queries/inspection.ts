import { Kysely, PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import type { TenantId } from '../../domain/ids.ts';
import { parsers } from '../connection.ts';
import type { Database } from '../schema.ts';

/** A connection as the owner of the tables, which sees every tenant: for the doctor alone. */
export type OwnerDb = Kysely<Database>;

const PATIENCE_MS = 20_000;

export function connectAsOwner(url: string): OwnerDb {
  const pool = new pg.Pool({
    connectionString: url,
    max: 4,
    types: parsers,
    application_name: 'postroom doctor',
    connectionTimeoutMillis: PATIENCE_MS,
    statement_timeout: PATIENCE_MS,
  });
  pool.on('error', () => undefined); // its next statement fails and says why
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
}

/** Server version as a number, such as 180004, and how far its clock is ahead of ours, in milliseconds. */
export async function serverFacts(
  db: OwnerDb,
): Promise<{ version: number; text: string; aheadMs: number }> {
  // The quickest of three questions says most exactly when it was answered.
  let best = { took: Number.POSITIVE_INFINITY, version: 0, text: '', aheadMs: 0 };
  for (let question = 0; question < 3; question++) {
    const asked = Date.now();
    const { rows } = await sql<{ version: number; text: string; now: Date }>`
      select current_setting('server_version_num')::int as version,
             current_setting('server_version') as text, clock_timestamp() as now`.execute(db);
    const took = Date.now() - asked;
    const { version, text, now } = rows[0]!;
    if (took < best.took)
      best = { took, version, text, aheadMs: now.getTime() - (asked + took / 2) };
  }
  return best;
}

/** Names of the migrations that were applied; null where the database has never been migrated. */
export async function appliedMigrations(db: OwnerDb): Promise<string[] | null> {
  const { rows: tables } = await sql<{ found: boolean }>`
    select to_regclass('public.kysely_migration') is not null as found`.execute(db);
  if (!tables[0]!.found) return null;
  const { rows } = await sql<{ name: string }>`select name from kysely_migration`.execute(db);
  return rows.map(({ name }) => name);
}

export interface TableProtection {
  readonly table: string;
  readonly secured: boolean;
  readonly policies: number;
}

/** Every table that holds tenants' rows, and whether the product's role sees only those of the tenant at hand. */
export async function tenantTables(db: OwnerDb): Promise<TableProtection[]> {
  const { rows } = await sql<TableProtection>`
    select c.relname as table, c.relrowsecurity as secured,
           (select count(*)::int from pg_policy p where p.polrelid = c.oid) as policies
      from pg_class c
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
       and (c.relname = 'tenants' or exists (
             select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped))
     order by 1`.execute(db);
  return rows;
}

/** Whether the user of this connection sees all tenants' rows: else the tables look empty to it. */
export async function seesAllTenants(db: OwnerDb): Promise<boolean> {
  const { rows } = await sql<{ sees: boolean }>`
    select coalesce(bool_or(r.rolsuper or r.rolbypassrls or pg_has_role(current_user, c.relowner, 'usage')), false) as sees
      from pg_class c, pg_roles r
     where c.relname = 'channels' and c.relnamespace = 'public'::regnamespace and r.rolname = current_user`.execute(
    db,
  );
  return rows[0]!.sees;
}

/** What could let the role `postroom_app` past the policies; null where there is no such role. */
export async function roleFacts(
  db: OwnerDb,
): Promise<{ superuser: boolean; bypasses: boolean; owns: number; member: boolean } | null> {
  const { rows } = await sql<{
    superuser: boolean;
    bypasses: boolean;
    owns: number;
    member: boolean;
  }>`
    select rolsuper as superuser, rolbypassrls as bypasses,
           (select count(*)::int from pg_class c where c.relowner = r.oid and c.relkind in ('r', 'p')) as owns,
           pg_has_role(current_user, r.oid, 'member') as member
      from pg_roles r where rolname = 'postroom_app'`.execute(db);
  return rows[0] ?? null;
}

export interface WorkflowOwner {
  readonly id: string;
  readonly tenantId: TenantId;
}

/** Channels that should have a workflow, and tickets that should, newest first. */
export async function workflowOwners(
  db: OwnerDb,
  atMost: number,
): Promise<{ channels: (WorkflowOwner & { provider: string })[]; tickets: WorkflowOwner[] }> {
  const channels = await db
    .selectFrom('channels')
    .select(['id', 'tenant_id as tenantId', 'provider'])
    .where('desired_state', '<>', 'stopped')
    .where('deleted_at', 'is', null)
    .where('created_at', '<', sql<Date>`now() - interval '1 minute'`)
    .orderBy('id', 'desc')
    .limit(atMost)
    .execute();
  const tickets = await db
    .selectFrom('tickets')
    .select(['id', 'tenant_id as tenantId'])
    .where('status', 'in', ['open', 'pending', 'on_hold', 'resolved'])
    .where('created_at', '<', sql<Date>`now() - interval '1 minute'`)
    .orderBy('id', 'desc')
    .limit(atMost)
    .execute();
  return { channels: channels as never, tickets: tickets as never }; // ids as the product made them
}

/** Has the drain start, or wake, the workflows of these: as if their transactions had just left it to do. */
export async function leaveToDrain(
  db: OwnerDb,
  rows: readonly {
    readonly tenantId: TenantId;
    readonly kind: 'channel' | 'ticket_wake';
    readonly ref: string;
    readonly detail: Readonly<Record<string, unknown>>;
  }[],
): Promise<void> {
  await db
    .insertInto('outbox')
    .values(
      rows.map(({ tenantId, kind, ref, detail }) => ({
        tenant_id: tenantId,
        kind,
        ref,
        detail: JSON.stringify(detail),
        leased_until: sql<Date>`now() - interval '1 second'`,
      })),
    )
    .onConflict((oc) => oc.columns(['tenant_id', 'kind', 'ref']).doNothing())
    .execute();
}

export interface FailingEndpoint {
  readonly id: string;
  readonly failed: number;
  readonly pending: number;
}

/** Active endpoints where attempts were made in the last day, and none delivered. */
export async function failingEndpoints(db: OwnerDb): Promise<FailingEndpoint[]> {
  const { rows } = await sql<FailingEndpoint>`
    select e.id, count(*) filter (where d.status = 'failed')::int as failed,
           count(*) filter (where d.status = 'pending' and d.attempt_count > 0)::int as pending
      from webhook_endpoints e join deliveries d on d.endpoint_id = e.id
     where e.is_active and e.deleted_at is null and d.created_at > now() - interval '1 day'
     group by e.id
    having count(*) filter (where d.status = 'delivered') = 0
       and count(*) filter (where d.attempt_count > 0) > 0
     order by e.id limit 50`.execute(db);
  return rows;
}

export interface TroubledChannel {
  readonly id: string;
  readonly state: string;
  readonly since: Date | null;
}

export async function troubledChannels(db: OwnerDb): Promise<TroubledChannel[]> {
  return db
    .selectFrom('channels')
    .select(['id', 'state', 'attention_since as since'])
    .where('state', 'in', ['needs_attention', 'backing_off'])
    .where('deleted_at', 'is', null)
    .orderBy('id')
    .limit(50)
    .execute();
}

export interface SealedSample {
  readonly kind: 'channel' | 'endpoint';
  readonly id: string;
  readonly sealed: Buffer;
}

/** The oldest and newest sealed values of each kind: a key that was lost shows at the old end. */
export async function sealedSamples(db: OwnerDb, each: number): Promise<SealedSample[]> {
  const samples: SealedSample[] = [];
  for (const order of ['asc', 'desc'] as const) {
    const channels = await db
      .selectFrom('channels')
      .select(['id', 'secrets as sealed'])
      .where('secrets', 'is not', null)
      .where('deleted_at', 'is', null)
      .orderBy('id', order)
      .limit(each)
      .execute();
    const endpoints = await db
      .selectFrom('webhook_endpoints')
      .select(['id', 'secret as sealed'])
      .where('deleted_at', 'is', null)
      .orderBy('id', order)
      .limit(each)
      .execute();
    samples.push(
      ...channels.map(({ id, sealed }) => ({ kind: 'channel' as const, id, sealed: sealed! })),
      ...endpoints.map(({ id, sealed }) => ({ kind: 'endpoint' as const, id, sealed })),
    );
  }
  return samples;
}

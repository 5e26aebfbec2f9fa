import { sql } from 'kysely';
import type { DomainEvent } from '../../domain/events.ts';
import type { EndpointId, TenantId } from '../../domain/ids.ts';
import type { KeyRing } from '../../security/key-ring.ts';
import { inTenant, type Db } from '../connection.ts';
import type { LoadedDelivery } from './deliveries.ts';
import { openHeaders, openSecret } from './endpoints.ts';
import { presentEvent } from './events.ts';

/** How long a dispatcher that fell silent keeps its rows; a living one renews them. */
const LEASE = '15 seconds';
export interface ClaimedRow {
  readonly tenant_id: TenantId;
  readonly delivery_id: string;
  readonly endpoint_id: string;
}

/**
 * Leases waiting rows over all tenants, oldest first, of each endpoint as many as there is room for.
 * @param rooms of endpoints that are known; the others have `otherRoom`.
 */
export async function claimStreamed(
  db: Db,
  rooms: ReadonlyMap<string, number>,
  otherRoom: number,
): Promise<ClaimedRow[]> {
  // A lease that a crash of the server forgets is taken again: its commit need not wait for the disk.
  const { rows } = await sql<ClaimedRow>`
    with unhurried as materialized (select set_config('synchronous_commit', 'off', true))
    select claimed.*
      from unhurried, claim_streamed(${[...rooms.keys()]}::text[], ${[...rooms.values()]}::int[],
                                     ${otherRoom}::int, ${LEASE}::interval) as claimed`.execute(db);
  return rows;
}

/** A delivery before its first attempt; the endpoint is loaded apart. */
export interface StreamedDelivery {
  readonly id: string;
  readonly run: number;
  readonly attempts: number;
  readonly budget: number;
  readonly createdAt: Date;
  readonly traceparent: string | null;
  readonly event: DomainEvent;
}

export async function loadStreamed(
  db: Db,
  tenantId: TenantId,
  ids: readonly string[],
): Promise<StreamedDelivery[]> {
  const rows = await inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('deliveries as d')
      .innerJoin('events as v', 'v.id', 'd.event_id')
      .select(['d.id as delivery_id', 'd.run', 'd.attempt_count', 'd.budget', 'd.created_at'])
      .select(['d.traceparent', 'v.id', 'v.type', 'v.timestamp', 'v.sequence'])
      .select(['v.ticket_id', 'v.data'])
      .where('d.tenant_id', '=', tenantId)
      .where(sql<boolean>`d.id = any(${ids}::text[])`)
      .where('d.status', '=', 'pending')
      .where('d.streamed', '=', true)
      .orderBy('d.id')
      .execute(),
  );
  return rows.map((row) => ({
    id: row.delivery_id,
    run: row.run,
    attempts: row.attempt_count,
    budget: row.budget,
    createdAt: row.created_at,
    traceparent: row.traceparent,
    event: presentEvent(row),
  }));
}

/** An endpoint as the dispatcher needs it, secrets opened. */
export interface StreamEndpoint {
  readonly target: LoadedDelivery['endpoint'];
  readonly mode: 'auto' | 'workflow' | 'stream';
  readonly gear: 'workflow' | 'stream';
  readonly failuresInRow: number;
}

export async function loadStreamEndpoints(
  db: Db,
  keys: KeyRing,
  tenantId: TenantId,
  ids: readonly string[],
): Promise<Map<string, StreamEndpoint>> {
  const rows = await inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('webhook_endpoints')
      .selectAll()
      .where('tenant_id', '=', tenantId)
      .where(sql<boolean>`id = any(${ids}::text[])`)
      .execute(),
  );
  return new Map(
    rows.map((row) => [
      row.id,
      {
        mode: row.delivery_mode,
        gear: row.gear,
        failuresInRow: row.failures_in_row,
        target: {
          state: row.deleted_at ? 'deleted' : row.is_active ? 'active' : 'inactive',
          url: row.url,
          secret: openSecret(keys, row),
          headers: openHeaders(keys, row),
          timeoutMs: row.timeout_seconds * 1000,
          verifyTls: row.verify_ssl,
        },
      },
    ]),
  );
}

/** For rows that are still held: `renew` for those under way, `release` for those that were not begun. */
export async function leaseStreamed(
  db: Db,
  tenantId: TenantId,
  ids: readonly string[],
  what: 'renew' | 'release',
): Promise<void> {
  if (ids.length === 0) return;
  const length = what === 'renew' ? LEASE : '0';
  await inTenant(db, tenantId, (tx) =>
    sql`update deliveries set leased_until = now() + ${length}::interval
         where tenant_id = ${tenantId} and id = any(${ids}::text[]) and status = 'pending' and streamed`.execute(
      tx,
    ),
  );
}

/** Switches an endpoint that picks its gear by itself; pinned ones stay. */
export async function shiftGear(
  db: Db,
  tenantId: TenantId,
  endpointId: string,
  gear: 'workflow' | 'stream',
): Promise<void> {
  await inTenant(db, tenantId, (tx) =>
    tx
      .updateTable('webhook_endpoints')
      .set({ gear })
      .where('tenant_id', '=', tenantId)
      .where('id', '=', endpointId)
      .where('delivery_mode', '=', 'auto')
      .execute(),
  );
}

/** Notes that an endpoint fails, and for how long its streamed rows are to wait (ms); null and 0 once it answers again. */
export async function pauseEndpoint(
  db: Db,
  tenantId: TenantId,
  endpointId: string,
  pause: { readonly forMs: number; readonly failuresInRow: number } | null,
): Promise<void> {
  await inTenant(db, tenantId, (tx) =>
    tx
      .updateTable('webhook_endpoints')
      .set({
        failures_in_row: pause?.failuresInRow ?? 0,
        paused_until: pause
          ? sql<Date>`now() + ${pause.forMs}::double precision * interval '1 millisecond'`
          : null,
      })
      .where('tenant_id', '=', tenantId)
      .where('id', '=', endpointId)
      .execute(),
  );
}

/** Leaves deliveries that no workflow was started for to the dispatcher, unless their endpoint is pinned. Returns which. */
export async function leaveToDispatcher(
  db: Db,
  tenantId: TenantId,
  ids: readonly string[],
): Promise<Set<string>> {
  const { rows } = await inTenant(db, tenantId, (tx) =>
    sql<{ id: string }>`
      update deliveries d set streamed = true, leased_until = now()
        from webhook_endpoints e
       where d.tenant_id = ${tenantId} and d.id = any(${ids}::text[]) and e.id = d.endpoint_id
         and e.delivery_mode = 'auto' and d.status = 'pending' and not d.started and d.attempt_count = 0
      returning d.id`.execute(tx),
  );
  return new Set(rows.map((row) => row.id));
}

/** What the API shows of an endpoint's gear. `waiting` counts up to `WAITING_SHOWN`. */
export interface EndpointLoad {
  readonly gear: 'workflow' | 'stream';
  readonly waiting: number;
  readonly paused_until: string | null;
}

const WAITING_SHOWN = 100_000;

export async function readEndpointLoad(
  db: Db,
  tenantId: TenantId,
  endpointId: EndpointId | string,
): Promise<EndpointLoad | null> {
  const { rows } = await inTenant(db, tenantId, (tx) =>
    sql<{ gear: 'workflow' | 'stream'; paused_until: Date | null; waiting: number }>`
      select case when delivery_mode = 'auto' then gear else delivery_mode end as gear,
             case when paused_until > now() then paused_until end as paused_until,
             (select count(*) from (
                select from deliveries d
                 where d.status = 'pending' and d.streamed in (true, false) and d.endpoint_id = e.id
                   and d.tenant_id = ${tenantId}
                 limit ${WAITING_SHOWN}) counted) as waiting
        from webhook_endpoints e
       where tenant_id = ${tenantId} and id = ${endpointId} and deleted_at is null`.execute(tx),
  );
  const row = rows[0];
  return row ? { ...row, paused_until: row.paused_until?.toISOString() ?? null } : null;
}

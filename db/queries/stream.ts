import { sql } from 'kysely';
import type { DomainEvent } from '../../domain/events.ts';
import type { EndpointId, TenantId } from '../../domain/ids.ts';
import type { DeliveryStatus } from '../../domain/webhook.ts';
import type { KeyRing } from '../../security/key-ring.ts';
import { inTenant, type Db } from '../connection.ts';
import type { AttemptRecord, LoadedDelivery } from './deliveries.ts';
import { openHeaders, openSecret } from './endpoints.ts';
import { presentEvent } from './events.ts';

/** How long a dispatcher that fell silent keeps its rows; a living one renews them. */
const LEASE = '15 seconds';
/** For handing a delivery whose first attempt failed to Temporal, before the drain does. */
const HAND_OVER_LEASE = '30 seconds';

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
  const { rows } = await sql<ClaimedRow>`
    select * from claim_streamed(${[...rooms.keys()]}::text[], ${[...rooms.values()]}::int[],
                                 ${otherRoom}::int, ${LEASE}::interval)`.execute(db);
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

export interface StreamedAttempt extends AttemptRecord {
  readonly deliveryId: string;
  readonly run: number;
}

export interface RecordedFirst {
  readonly deliveryId: string;
  readonly eventId: string;
  readonly endpointId: string;
  readonly type: string;
  readonly run: number;
  readonly attempt: number;
  readonly budget: number;
  readonly status: DeliveryStatus;
}

/**
 * Writes many attempts and what they make of their deliveries, in one statement. Those that are still pending leave the
 * stream: they are to get workflows. Missing in the answer are those that a replay has begun anew meanwhile.
 */
export async function recordStreamed(
  db: Db,
  tenantId: TenantId,
  attempts: readonly StreamedAttempt[],
): Promise<RecordedFirst[]> {
  const column = <T>(read: (attempt: StreamedAttempt) => T) => attempts.map(read);
  const { rows } = await inTenant(db, tenantId, (tx) =>
    sql<RecordedFirst>`
      with given as (
        select * from unnest(
          ${column((a) => a.deliveryId)}::text[], ${column((a) => a.run)}::int[],
          ${column((a) => a.at)}::timestamptz[], ${column((a) => a.delivered)}::boolean[],
          ${column((a) => a.final)}::boolean[], ${column((a) => a.statusCode)}::int[],
          ${column((a) => Math.round(a.durationMs))}::int[], ${column((a) => a.error)}::text[],
          ${column((a) => a.responseStart)}::text[], ${column((a) => a.nextAttemptAt)}::timestamptz[]
        ) as g(id, given_run, at, delivered, final, status_code, duration_ms, error, response_start, next_at)
      ), updated as (
        update deliveries d
           set attempt_count = d.attempt_count + 1,
               started = true,
               streamed = d.streamed and (g.delivered or g.final or d.attempt_count + 1 >= d.budget),
               status = case when d.status <> 'pending' then d.status
                             when g.delivered then 'delivered'
                             when g.final or d.attempt_count + 1 >= d.budget then 'failed'
                             else 'pending' end,
               next_attempt_at = case when d.status = 'pending' and not g.delivered and not g.final
                                       and d.attempt_count + 1 < d.budget then g.next_at end,
               finished_at = case when d.status = 'pending' and not g.delivered and not g.final
                                   and d.attempt_count + 1 < d.budget then null
                                  else coalesce(d.finished_at, now()) end,
               leased_until = now() + ${HAND_OVER_LEASE}::interval
          from given g
         where d.tenant_id = ${tenantId} and d.id = g.id and d.run = g.given_run
        returning d.id, d.event_id, d.endpoint_id, d.type, d.run, d.attempt_count, d.budget, d.status
      ), written as (
        insert into delivery_attempts
          (tenant_id, delivery_id, run, number, at, status_code, duration_ms, error, response_start)
        select ${tenantId}, u.id, u.run, u.attempt_count, g.at, g.status_code, g.duration_ms, g.error, g.response_start
          from updated u join given g on g.id = u.id
      )
      select id as "deliveryId", event_id as "eventId", endpoint_id as "endpointId", type, run,
             attempt_count as attempt, budget, status
        from updated`.execute(tx),
  );
  return rows;
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

import { sql } from 'kysely';
import type { DomainEvent } from '../../domain/events.ts';
import type { TenantId } from '../../domain/ids.ts';
import type { DeliveryStatus } from '../../domain/webhook.ts';
import type { KeyRing } from '../../security/key-ring.ts';
import type { PendingWork, WrittenDelivery } from '../../workflows/contracts/relay.ts';
import { inTenant, type Db } from '../connection.ts';
import { openHeaders, openSecret } from './endpoints.ts';
import { presentEvent } from './events.ts';
import { Pending } from './outbox.ts';

/** For handing a claimed delivery to Temporal. */
const CLAIM_LEASE = '30 seconds';
/** After these, a pending delivery that nobody has touched is claimed again: its workflow may be lost, or never was. */
const STARTED_LEASE = '5 minutes';
const OVERDUE_LEASE = '15 minutes';

/** What one attempt needs to know, secrets opened. */
export interface LoadedDelivery {
  readonly id: string;
  readonly run: number;
  readonly status: DeliveryStatus;
  /** Attempts of this run that are on record, and how many it may have. */
  readonly attempts: number;
  readonly budget: number;
  readonly nextAttemptAt: Date | null;
  /** When the attempt that comes next is due: at once for the first. */
  readonly dueAt: Date;
  /** The trace that caused it (W3C Trace Context). */
  readonly traceparent: string | null;
  readonly event: DomainEvent;
  readonly endpoint: {
    readonly state: 'active' | 'inactive' | 'deleted';
    readonly url: string;
    readonly secret: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly timeoutMs: number;
    readonly verifyTls: boolean;
  };
}

/** One delivery, or null where there is none. */
export async function loadDelivery(
  db: Db,
  keys: KeyRing,
  tenantId: TenantId,
  deliveryId: string,
): Promise<LoadedDelivery | null> {
  return (await loadDeliveries(db, keys, tenantId, [deliveryId]))[0] ?? null;
}

/** Each of these, in order; null where there is none. */
export async function loadDeliveries(
  db: Db,
  keys: KeyRing,
  tenantId: TenantId,
  ids: readonly string[],
): Promise<(LoadedDelivery | null)[]> {
  const rows = await inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('deliveries as d')
      .innerJoin('events as v', 'v.id', 'd.event_id')
      .innerJoin('webhook_endpoints as e', 'e.id', 'd.endpoint_id')
      .select(['d.id as delivery_id', 'd.run', 'd.status', 'd.attempt_count', 'd.budget'])
      .select(['d.next_attempt_at', 'd.created_at', 'd.traceparent'])
      .select(['v.id as event_id', 'v.type', 'v.timestamp', 'v.sequence', 'v.ticket_id', 'v.data'])
      .select(['e.id', 'e.url', 'e.secret', 'e.headers', 'e.timeout_seconds', 'e.verify_ssl'])
      .select(['e.is_active', 'e.deleted_at'])
      .where('d.tenant_id', '=', tenantId)
      .where(sql<boolean>`d.id = any(${ids}::text[])`)
      .execute(),
  );
  const byId = new Map(rows.map((row) => [row.delivery_id, row]));
  return ids.map((id) => {
    const row = byId.get(id);
    if (!row) return null;
    return {
      id,
      run: row.run,
      status: row.status,
      attempts: row.attempt_count,
      budget: row.budget,
      nextAttemptAt: row.next_attempt_at,
      dueAt: row.next_attempt_at ?? row.created_at,
      traceparent: row.traceparent,
      event: presentEvent({ ...row, id: row.event_id }),
      endpoint: openEndpoint(keys, row),
    };
  });
}

/** A delivery as its writer had it, before any attempt. */
export function openWritten(
  keys: KeyRing,
  id: string,
  { event, endpoint, traceparent }: WrittenDelivery,
): LoadedDelivery {
  return {
    id,
    run: 1,
    status: 'pending',
    attempts: 0,
    budget: endpoint.max_retries + 1,
    nextAttemptAt: null,
    dueAt: new Date(event.timestamp),
    traceparent,
    event,
    endpoint: openEndpoint(keys, endpoint),
  };
}

function openEndpoint(
  keys: KeyRing,
  row: Omit<WrittenDelivery['endpoint'], 'max_retries'>,
): LoadedDelivery['endpoint'] {
  return {
    state: row.deleted_at ? 'deleted' : row.is_active ? 'active' : 'inactive',
    url: row.url,
    secret: openSecret(keys, row),
    headers: openHeaders(keys, row),
    timeoutMs: row.timeout_seconds * 1000,
    verifyTls: row.verify_ssl,
  };
}

export interface AttemptRecord {
  readonly at: Date;
  readonly delivered: boolean;
  /** No further attempt is to be made, whatever is left of the budget. */
  readonly final: boolean;
  readonly statusCode: number | null;
  readonly durationMs: number;
  readonly error: string | null;
  readonly responseStart: string | null;
  /** When the next attempt is due, if this one neither delivers nor is the last. */
  readonly nextAttemptAt: Date;
}

/** One attempt, and what it makes of its delivery. */
export interface AttemptToRecord extends AttemptRecord {
  readonly deliveryId: string;
  readonly run: number;
}

export interface RecordedAttempt {
  readonly deliveryId: string;
  readonly eventId: string;
  readonly endpointId: string;
  readonly type: string;
  readonly run: number;
  readonly attempt: number;
  readonly budget: number;
  readonly status: DeliveryStatus;
}

/** Writes one attempt; null where a replay has begun a new run meanwhile. */
export async function recordAttempt(
  db: Db,
  tenantId: TenantId,
  { id, run }: Pick<LoadedDelivery, 'id' | 'run'>,
  record: AttemptRecord,
): Promise<RecordedAttempt | null> {
  const [recorded] = await recordAttempts(db, tenantId, [{ ...record, deliveryId: id, run }]);
  return recorded ?? null;
}

/**
 * Writes attempts and what they make of their deliveries, in one statement; the count on the locked row numbers them.
 * Each delivery at most once. A streamed one that is still pending leaves the stream: it is to get a workflow. Answers
 * in order, null for those that a replay has begun anew meanwhile.
 */
export async function recordAttempts(
  db: Db,
  tenantId: TenantId,
  attempts: readonly AttemptToRecord[],
): Promise<(RecordedAttempt | null)[]> {
  const column = <T>(read: (attempt: AttemptToRecord) => T) => attempts.map(read);
  const { rows } = await inTenant(db, tenantId, (tx) =>
    sql<RecordedAttempt>`
      with given as (
        select * from unnest(
          ${column((a) => a.deliveryId)}::text[], ${column((a) => a.run)}::int[],
          ${column((a) => a.at)}::timestamptz[], ${column((a) => a.delivered)}::boolean[],
          ${column((a) => a.final)}::boolean[], ${column((a) => a.statusCode)}::int[],
          ${column((a) => Math.round(a.durationMs))}::int[], ${column((a) => a.error)}::text[],
          ${column((a) => a.responseStart)}::text[], ${column((a) => a.nextAttemptAt)}::timestamptz[]
        ) as g(id, given_run, at, delivered, final, status_code, duration_ms, error, response_start, next_at)
      ), judged as (
        select d.id, g.given_run,
               case when d.status = 'delivered' or g.delivered then 'delivered'
                    when d.status = 'failed' or g.final or d.attempt_count + 1 >= d.budget then 'failed'
                    else 'pending' end as outcome
          from deliveries d join given g on g.id = d.id and g.given_run = d.run
         where d.tenant_id = ${tenantId}
           for no key update of d
      ), updated as (
        update deliveries d
           set attempt_count = d.attempt_count + 1,
               status = j.outcome,
               started = true,
               streamed = d.streamed and j.outcome <> 'pending',
               next_attempt_at = case when j.outcome = 'pending' then g.next_at end,
               finished_at = case when j.outcome <> 'pending' then coalesce(d.finished_at, now()) end,
               leased_until = case when d.streamed then now() + ${CLAIM_LEASE}::interval
                                   else g.next_at + ${OVERDUE_LEASE}::interval end
          from judged j join given g on g.id = j.id
         where d.id = j.id
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
  const byId = new Map(rows.map((row) => [row.deliveryId, row]));
  return attempts.map(({ deliveryId }) => byId.get(deliveryId) ?? null);
}

/** Says that an attempt is under way until then, so that nobody begins another; without effect once it is on record. */
export async function holdDelivery(
  db: Db,
  tenantId: TenantId,
  { id, run, attempts }: Pick<LoadedDelivery, 'id' | 'run' | 'attempts'>,
  until: Date,
): Promise<void> {
  await inTenant(db, tenantId, (tx) =>
    tx
      .updateTable('deliveries')
      .set({ next_attempt_at: until })
      .where('tenant_id', '=', tenantId)
      .where('id', '=', id)
      .where('run', '=', run)
      .where('attempt_count', '=', attempts)
      .where('status', '=', 'pending')
      .execute(),
  );
}

/** Takes deliveries that nobody is at work on, over all tenants, oldest first, as work to flush. */
export async function claimDeliveries(db: Db, atMost: number): Promise<PendingWork[]> {
  const claimed = await sql<{ tenant_id: TenantId; delivery_id: string }>`
    select * from claim_deliveries(${atMost}, ${CLAIM_LEASE}::interval)`.execute(db);
  const byTenant = Map.groupBy(claimed.rows, (row) => row.tenant_id);
  const work: PendingWork[] = [];
  for (const [tenantId, rows] of byTenant) {
    const pending = new Pending(tenantId);
    const ids = rows.map((row) => row.delivery_id);
    pending.deliveries.push(...(await readWork(db, tenantId, ids)));
    work.push(pending);
  }
  return work;
}

function readWork(db: Db, tenantId: TenantId, ids: readonly string[]) {
  return inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('deliveries as d')
      .innerJoin('webhook_endpoints as e', 'e.id', 'd.endpoint_id')
      .select(['d.id as deliveryId', 'd.event_id as eventId', 'd.endpoint_id as endpointId'])
      .select(['d.type', 'd.run', sql<boolean>`e.delivery_mode = 'workflow'`.as('pinned')])
      .where('d.tenant_id', '=', tenantId)
      .where('d.id', 'in', ids)
      .execute(),
  );
}

/** Temporal has accepted these; those that are done already stay as they are. */
export async function markStarted(
  db: Db,
  tenantId: TenantId,
  deliveryIds: readonly string[],
): Promise<void> {
  if (deliveryIds.length === 0) return;
  await inTenant(db, tenantId, (tx) =>
    tx
      .updateTable('deliveries')
      .set({
        started: true,
        leased_until: sql<Date>`greatest(leased_until, now() + ${STARTED_LEASE}::interval)`,
      })
      .where('tenant_id', '=', tenantId)
      .where('id', 'in', deliveryIds)
      .where('status', '=', 'pending')
      .execute(),
  );
}

import { sql } from 'kysely';
import type { DomainEvent } from '../../domain/events.ts';
import type { TenantId } from '../../domain/ids.ts';
import type { DeliveryStatus } from '../../domain/webhook.ts';
import type { KeyRing } from '../../security/key-ring.ts';
import type { PendingWork } from '../../workflows/contracts/relay.ts';
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

export async function loadDelivery(
  db: Db,
  keys: KeyRing,
  tenantId: TenantId,
  deliveryId: string,
): Promise<LoadedDelivery | null> {
  const row = await inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('deliveries as d')
      .innerJoin('events as v', 'v.id', 'd.event_id')
      .innerJoin('webhook_endpoints as e', 'e.id', 'd.endpoint_id')
      .select(['d.run', 'd.status', 'd.attempt_count', 'd.budget', 'd.next_attempt_at'])
      .select(['d.created_at', 'd.traceparent'])
      .select(['v.id as event_id', 'v.type', 'v.timestamp', 'v.sequence', 'v.ticket_id', 'v.data'])
      .select(['e.id', 'e.url', 'e.secret', 'e.headers', 'e.timeout_seconds', 'e.verify_ssl'])
      .select(['e.is_active', 'e.deleted_at'])
      .where('d.tenant_id', '=', tenantId)
      .where('d.id', '=', deliveryId)
      .executeTakeFirst(),
  );
  if (!row) return null;
  return {
    id: deliveryId,
    run: row.run,
    status: row.status,
    attempts: row.attempt_count,
    budget: row.budget,
    nextAttemptAt: row.next_attempt_at,
    dueAt: row.next_attempt_at ?? row.created_at,
    traceparent: row.traceparent,
    event: presentEvent({ ...row, id: row.event_id }),
    endpoint: {
      state: row.deleted_at ? 'deleted' : row.is_active ? 'active' : 'inactive',
      url: row.url,
      secret: openSecret(keys, row),
      headers: openHeaders(keys, row),
      timeoutMs: row.timeout_seconds * 1000,
      verifyTls: row.verify_ssl,
    },
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

/** What became of the delivery; null where a replay has begun a new run meanwhile. */
export type RecordedAttempt = {
  readonly status: DeliveryStatus;
  readonly attempt: number;
} | null;

/** Writes an attempt and what it makes of the delivery, in one statement. The count on the locked row numbers it. */
export async function recordAttempt(
  db: Db,
  tenantId: TenantId,
  { id, run }: Pick<LoadedDelivery, 'id' | 'run'>,
  record: AttemptRecord,
): Promise<RecordedAttempt> {
  const { rows } = await inTenant(db, tenantId, (tx) =>
    sql<{ status: DeliveryStatus; attempt: number }>`
      with judged as (
        select id, attempt_count + 1 as number,
               case when status = 'delivered' or ${record.delivered} then 'delivered'
                    when status = 'failed' or ${record.final} or attempt_count + 1 >= budget then 'failed'
                    else 'pending' end as outcome
          from deliveries
         where tenant_id = ${tenantId} and id = ${id} and run = ${run}
           for update
      ), updated as (
        update deliveries d
           set attempt_count = j.number,
               status = j.outcome,
               started = true,
               next_attempt_at = case when j.outcome = 'pending' then ${record.nextAttemptAt}::timestamptz end,
               finished_at = case when j.outcome <> 'pending' then coalesce(d.finished_at, now()) end,
               leased_until = ${record.nextAttemptAt}::timestamptz + ${OVERDUE_LEASE}::interval
          from judged j where d.id = j.id
        returning j.number, j.outcome
      )
      insert into delivery_attempts
        (tenant_id, delivery_id, run, number, at, status_code, duration_ms, error, response_start)
      select ${tenantId}, ${id}, ${run}, number, ${record.at}::timestamptz, ${record.statusCode}::int,
             ${Math.round(record.durationMs)}::int, ${record.error}, ${record.responseStart}
        from updated
      returning number as attempt, (select outcome from updated) as status`.execute(tx),
  );
  return rows[0] ?? null;
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
      .selectFrom('deliveries')
      .select(['id as deliveryId', 'event_id as eventId', 'endpoint_id as endpointId'])
      .select(['type', 'run'])
      .where('tenant_id', '=', tenantId)
      .where('id', 'in', ids)
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

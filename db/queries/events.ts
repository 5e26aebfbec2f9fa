import { sql } from 'kysely';
import { isSubscribed, type DomainEvent, type EventType } from '../../domain/events.ts';
import { newId, type TenantId } from '../../domain/ids.ts';
import type { Db, Tx } from '../connection.ts';
import { inTenant } from '../connection.ts';
import { atOnce } from '../tenant-dialect.ts';
import { currentTraceparent } from '../../telemetry/trace.ts';
import { insertion } from './insert-rows.ts';
import type { Pending } from './outbox.ts';

/** So many for one endpoint in one transaction are a burst: the dispatcher takes them, unless it is pinned. */
const BURST = 50;

/** How long a writer has to start its deliveries before the drain takes them. */
const DELIVERY_LEASE = '30 seconds';

export interface NewEvent {
  readonly type: EventType;
  /** With a ticket, the caller holds its row lock and has counted `sequence` on it. */
  readonly ticketId: string | null;
  readonly sequence: number | null;
  /** Frozen as it is now: what the API would show. */
  readonly data: Record<string, unknown>;
}

/** Writes events and one delivery row for each endpoint that wants one, in the caller's transaction. */
export async function writeEvents(
  tx: Tx,
  pending: Pending,
  events: readonly NewEvent[],
): Promise<void> {
  if (events.length === 0) return;
  const rows = events.map((event) => ({ id: newId('event'), ...event }));
  const endpoints = await tx
    .selectFrom('webhook_endpoints')
    .select(['id', 'events', 'max_retries', 'delivery_mode', 'gear', 'url', 'secret', 'headers'])
    .select(['timeout_seconds', 'verify_ssl', 'is_active', 'deleted_at'])
    .where('tenant_id', '=', pending.tenantId)
    .where('is_active', '=', true)
    .where('deleted_at', 'is', null)
    .execute();
  const deliveries = endpoints.flatMap((endpoint) => {
    const wanted = rows.filter((event) => isSubscribed(endpoint.events, event.type));
    const streamed = isStreamed(endpoint, wanted.length);
    return wanted.map((event) => ({ endpoint, event, streamed, id: newId('delivery') }));
  });
  const written = await insert(tx, pending.tenantId, rows, deliveries);
  const traceparent = currentTraceparent();
  for (const { endpoint, event, streamed, id } of deliveries) {
    if (streamed) pending.streamed = true;
    else {
      pending.deliveries.push({
        deliveryId: id,
        eventId: event.id,
        endpointId: endpoint.id,
        type: event.type,
        run: 1,
        pinned: endpoint.delivery_mode === 'workflow',
      });
      pending.written.set(id, { endpoint, event: written.get(event.id)!, traceparent });
    }
  }
}

interface NewDelivery {
  readonly endpoint: { readonly id: string; readonly max_retries: number };
  readonly event: NewEvent & { readonly id: string };
  readonly streamed: boolean;
  readonly id: string;
}

/** Returns the events as they stand now, by id, where a delivery of this process is to show one. */
async function insert(
  tx: Tx,
  tenantId: TenantId,
  events: readonly (NewEvent & { readonly id: string })[],
  deliveries: readonly NewDelivery[],
): Promise<ReadonlyMap<string, DomainEvent>> {
  const shown = deliveries.some(({ streamed }) => !streamed);
  const insertEvents = insertion<EventRow>(
    'events',
    events.map((event) => ({
      id: event.id,
      tenant_id: tenantId,
      type: event.type,
      ticket_id: event.ticketId,
      sequence: event.sequence,
      data: event.data,
    })),
    shown ? sql`returning id, type, timestamp, sequence, ticket_id, data` : sql``,
  );
  const [rows] =
    deliveries.length === 0
      ? await atOnce(tx, [insertEvents])
      : await atOnce(tx, [insertEvents, insertDeliveries(tenantId, deliveries)]);
  return new Map(rows.map((row) => [row.id, presentEvent(row)]));
}

function insertDeliveries(tenantId: TenantId, deliveries: readonly NewDelivery[]) {
  const column = <T>(read: (delivery: NewDelivery) => T) => deliveries.map(read);
  return sql`
    insert into deliveries (id, tenant_id, event_id, endpoint_id, type, budget, streamed, leased_until)
    select id, ${tenantId}, event_id, endpoint_id, type, budget, streamed,
           now() + case when streamed then '0'::interval else ${DELIVERY_LEASE}::interval end
      from unnest(${column(({ id }) => id)}::text[], ${column(({ event }) => event.id)}::text[],
                  ${column(({ endpoint }) => endpoint.id)}::text[], ${column(({ event }) => event.type)}::text[],
                  ${column(({ endpoint }) => endpoint.max_retries + 1)}::int[],
                  ${column(({ streamed }) => streamed)}::boolean[])
        as new(id, event_id, endpoint_id, type, budget, streamed)`;
}

/** Whether the dispatcher makes the first attempts, of so many that are written at once. */
export function isStreamed(
  endpoint: {
    readonly delivery_mode: 'auto' | 'workflow' | 'stream';
    readonly gear: 'workflow' | 'stream';
  },
  count: number,
): boolean {
  if (endpoint.delivery_mode !== 'auto') return endpoint.delivery_mode === 'stream';
  return endpoint.gear === 'stream' || count > BURST;
}

export interface EventPage {
  readonly data: DomainEvent[];
  /** The place of the last one of `data`. */
  readonly last: { xid: string; position: number } | null;
  readonly more: boolean;
}

/**
 * Events in the order they were written, shown once every older transaction has ended, so that a cursor skips none.
 * @param after the last event's place, or null for the beginning.
 */
export async function listEvents(
  db: Db,
  tenantId: TenantId,
  {
    after,
    limit,
    types,
  }: { after: { xid: string; position: number } | null; limit: number; types?: readonly string[] },
): Promise<EventPage> {
  const rows = await inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('events')
      .select(['id', 'type', 'timestamp', 'sequence', 'ticket_id', 'data', 'xid', 'position'])
      .where('tenant_id', '=', tenantId)
      .where(sql<boolean>`xid < pg_snapshot_xmin(pg_current_snapshot())`)
      .$if(after !== null, (query) =>
        query.where(
          sql<boolean>`(xid, position) > (${after!.xid}::xid8, ${after!.position}::bigint)`,
        ),
      )
      .$if(types !== undefined && types.length > 0, (query) =>
        query.where('type', 'in', [...types!]),
      )
      .orderBy('xid')
      .orderBy('position')
      .limit(limit + 1)
      .execute(),
  );
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    data: shown.map(presentEvent),
    last: last ? { xid: last.xid, position: last.position } : null,
    more: rows.length > limit,
  };
}

interface EventRow {
  readonly id: string;
  readonly type: string;
  readonly timestamp: Date;
  readonly sequence: number | null;
  readonly ticket_id: string | null;
  readonly data: unknown;
}

/** An event as deliveries and the API carry it. */
export function presentEvent(row: EventRow): DomainEvent {
  return {
    id: row.id,
    type: row.type as EventType,
    timestamp: row.timestamp.toISOString(),
    sequence: row.sequence,
    ticket_id: row.ticket_id,
    data: row.data as Record<string, unknown>,
  };
}

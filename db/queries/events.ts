import { sql } from 'kysely';
import { isSubscribed, type DomainEvent, type EventType } from '../../domain/events.ts';
import { newId, type TenantId } from '../../domain/ids.ts';
import type { Db, Tx } from '../connection.ts';
import { inTenant } from '../connection.ts';
import type { Pending } from './outbox.ts';

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
  await tx
    .insertInto('events')
    .values(
      rows.map((event) => ({
        id: event.id,
        tenant_id: pending.tenantId,
        type: event.type,
        ticket_id: event.ticketId,
        sequence: event.sequence,
        data: JSON.stringify(event.data),
      })),
    )
    .execute();
  const endpoints = await tx
    .selectFrom('webhook_endpoints')
    .select(['id', 'events', 'max_retries'])
    .where('tenant_id', '=', pending.tenantId)
    .where('is_active', '=', true)
    .where('deleted_at', 'is', null)
    .execute();
  const deliveries = rows.flatMap((event) =>
    endpoints
      .filter((endpoint) => isSubscribed(endpoint.events, event.type))
      .map((endpoint) => ({
        id: newId('delivery'),
        tenant_id: pending.tenantId,
        event_id: event.id,
        endpoint_id: endpoint.id,
        type: event.type,
        budget: endpoint.max_retries + 1,
        leased_until: sql<Date>`now() + ${DELIVERY_LEASE}::interval`,
      })),
  );
  if (deliveries.length === 0) return;
  await tx.insertInto('deliveries').values(deliveries).execute();
  for (const delivery of deliveries) {
    pending.deliveries.push({
      deliveryId: delivery.id,
      eventId: delivery.event_id,
      endpointId: delivery.endpoint_id,
      type: delivery.type,
      run: 1,
    });
  }
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

/** An event as deliveries and the API carry it. */
export function presentEvent(row: {
  id: string;
  type: string;
  timestamp: Date;
  sequence: number | null;
  ticket_id: string | null;
  data: unknown;
}): DomainEvent {
  return {
    id: row.id,
    type: row.type as EventType,
    timestamp: row.timestamp.toISOString(),
    sequence: row.sequence,
    ticket_id: row.ticket_id,
    data: row.data as Record<string, unknown>,
  };
}

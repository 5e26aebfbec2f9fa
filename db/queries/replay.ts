import { sql } from 'kysely';
import { newId } from '../../domain/ids.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import { isStreamed } from './events.ts';
import type { Pending } from './outbox.ts';

/** Rows that one transaction puts back to pending. */
const BATCH = 1000;
/** For handing the first ones over at once; the drain takes the others, whose lease has ended. */
const LEASE = '30 seconds';

export type ReplayOutcome =
  'replayed' | 'not_found' | 'still_pending' | 'endpoint_deleted' | 'endpoint_inactive';

/** Puts a finished delivery back to pending with a fresh budget; commit, then flush `pending`. */
export async function replayDelivery(
  db: Db,
  pending: Pending,
  deliveryId: string,
): Promise<ReplayOutcome> {
  return inTenant(db, pending.tenantId, async (tx) => {
    const found = await tx
      .selectFrom('deliveries as d')
      .innerJoin('webhook_endpoints as e', 'e.id', 'd.endpoint_id')
      .select(['d.status', 'd.type', 'e.deleted_at', 'e.is_active'])
      .where('d.tenant_id', '=', pending.tenantId)
      .where('d.id', '=', deliveryId)
      .forUpdate('d')
      .executeTakeFirst();
    if (!found) return 'not_found';
    if (found.deleted_at) return 'endpoint_deleted';
    if (!found.is_active && found.type !== 'ping') return 'endpoint_inactive';
    if (found.status === 'pending') return 'still_pending';
    await begin(tx, pending, [deliveryId], 1);
    return 'replayed';
  });
}

export interface ReplayRange {
  readonly endpointId: string;
  readonly since?: Date;
  readonly until?: Date;
  readonly status?: readonly ('delivered' | 'failed')[];
  readonly types?: readonly string[];
}

/**
 * Puts the finished deliveries of a range back to pending, in batches. The first `handOver` go into `pending`, to be
 * flushed; the drain starts the others. Returns how many there are in all.
 */
export async function replayRange(
  db: Db,
  pending: Pending,
  { endpointId, since, until, status = ['delivered', 'failed'], types = [] }: ReplayRange,
  handOver: number,
): Promise<number> {
  let count = 0;
  for (let after = ''; ;) {
    const ids = await inTenant(db, pending.tenantId, async (tx) => {
      const rows = await tx
        .selectFrom('deliveries')
        .select('id')
        .where('tenant_id', '=', pending.tenantId)
        .where('endpoint_id', '=', endpointId)
        .where('id', '>', after)
        .where('status', 'in', status)
        .$if(since !== undefined, (query) => query.where('created_at', '>=', since!))
        .$if(until !== undefined, (query) => query.where('created_at', '<', until!))
        .$if(types.length > 0, (query) => query.where('type', 'in', types))
        .orderBy('id')
        .limit(BATCH)
        .forUpdate()
        .execute();
      const found = rows.map((row) => row.id);
      await begin(tx, pending, found, handOver - pending.deliveries.length);
      return found;
    });
    count += ids.length;
    if (ids.length < BATCH) return count;
    after = ids.at(-1)!;
  }
}

/** A new run of each, by the endpoint's gear; of those that get a workflow the first `handOver` are leased to the caller. */
async function begin(
  tx: Tx,
  pending: Pending,
  ids: readonly string[],
  handOver: number,
): Promise<void> {
  if (ids.length === 0) return;
  const endpoint = await tx
    .selectFrom('webhook_endpoints as e')
    .innerJoin('deliveries as d', 'd.endpoint_id', 'e.id')
    .select(['e.delivery_mode', 'e.gear'])
    .where('d.id', '=', ids[0]!)
    .executeTakeFirstOrThrow();
  const streamed = isStreamed(endpoint, ids.length);
  const own = streamed ? [] : ids.slice(0, Math.max(0, handOver));
  const { rows } = await sql<Pending['deliveries'][number]>`
    update deliveries d
       set run = d.run + 1, attempt_count = 0, budget = e.max_retries + 1, status = 'pending', started = false,
           streamed = ${streamed}, next_attempt_at = null, finished_at = null,
           leased_until = now() + case when d.id = any(${own}) then ${LEASE}::interval else '0'::interval end
      from webhook_endpoints e
     where d.tenant_id = ${pending.tenantId} and d.id = any(${ids}) and e.id = d.endpoint_id
    returning d.id as "deliveryId", d.event_id as "eventId", d.endpoint_id as "endpointId", d.type, d.run`.execute(
    tx,
  );
  if (streamed) pending.streamed = true;
  const handed = new Set(own);
  const pinned = endpoint.delivery_mode === 'workflow';
  const leased = rows.filter((row) => handed.has(row.deliveryId));
  pending.deliveries.push(...leased.map((row) => ({ ...row, pinned })));
}

/** A `ping` event and its delivery to one endpoint alone; null where there is no such endpoint. */
export async function createPing(
  db: Db,
  pending: Pending,
  endpointId: string,
): Promise<string | null> {
  return inTenant(db, pending.tenantId, async (tx) => {
    const endpoint = await tx
      .selectFrom('webhook_endpoints')
      .select(['max_retries', 'delivery_mode', 'gear'])
      .where('tenant_id', '=', pending.tenantId)
      .where('id', '=', endpointId)
      .where('deleted_at', 'is', null)
      .executeTakeFirst();
    if (!endpoint) return null;
    const streamed = isStreamed(endpoint, 1);
    const item = {
      deliveryId: newId('delivery'),
      eventId: newId('event'),
      endpointId,
      type: 'ping',
      run: 1,
    };
    await tx
      .insertInto('events')
      .values({
        id: item.eventId,
        tenant_id: pending.tenantId,
        type: item.type,
        data: JSON.stringify({ endpoint_id: endpointId }),
      })
      .execute();
    await tx
      .insertInto('deliveries')
      .values({
        id: item.deliveryId,
        tenant_id: pending.tenantId,
        event_id: item.eventId,
        endpoint_id: endpointId,
        type: item.type,
        budget: endpoint.max_retries + 1,
        streamed,
        leased_until: streamed ? sql<Date>`now()` : sql<Date>`now() + ${LEASE}::interval`,
      })
      .execute();
    if (streamed) pending.streamed = true;
    else pending.deliveries.push(item);
    return item.deliveryId;
  });
}

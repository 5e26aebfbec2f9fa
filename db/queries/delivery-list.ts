import type { Selectable } from 'kysely';
import type { EventType } from '../../domain/events.ts';
import type { TenantId } from '../../domain/ids.ts';
import type { Delivery, DeliveryAttempt, DeliveryStatus } from '../../domain/webhook.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import type { Database } from '../schema.ts';

type DeliveryRow = Selectable<Database['deliveries']>;

/** A delivery as the API shows it, but for the link that the relay knows. */
export type ListedDelivery = Omit<Delivery, 'workflow_url'> & {
  /** The dispatcher makes or made its first attempt, and no workflow of its own was wanted. */
  readonly streamed: boolean;
};

export interface DeliveryFilter {
  readonly endpointId: string;
  readonly status?: readonly DeliveryStatus[];
  readonly types?: readonly string[];
  readonly before: string | null;
  readonly limit: number;
}

/** Newest first; `limit + 1` rows, where there are as many. */
export async function listDeliveries(
  db: Db,
  tenantId: TenantId,
  { endpointId, status = [], types = [], before, limit }: DeliveryFilter,
): Promise<ListedDelivery[]> {
  return inTenant(db, tenantId, async (tx) => {
    const rows = await tx
      .selectFrom('deliveries')
      .selectAll()
      .where('tenant_id', '=', tenantId)
      .where('endpoint_id', '=', endpointId)
      .$if(before !== null, (query) => query.where('id', '<', before))
      .$if(status.length > 0, (query) => query.where('status', 'in', status))
      .$if(types.length > 0, (query) => query.where('type', 'in', types))
      .orderBy('id', 'desc')
      .limit(limit + 1)
      .execute();
    return withAttempts(tx, tenantId, rows);
  });
}

export async function readDelivery(
  db: Db,
  tenantId: TenantId,
  id: string,
): Promise<ListedDelivery | null> {
  return inTenant(db, tenantId, async (tx) => {
    const rows = await tx
      .selectFrom('deliveries')
      .selectAll()
      .where('tenant_id', '=', tenantId)
      .where('id', '=', id)
      .execute();
    return (await withAttempts(tx, tenantId, rows))[0] ?? null;
  });
}

async function withAttempts(
  tx: Tx,
  tenantId: TenantId,
  rows: readonly DeliveryRow[],
): Promise<ListedDelivery[]> {
  if (rows.length === 0) return [];
  const attempts = await tx
    .selectFrom('delivery_attempts')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where(
      'delivery_id',
      'in',
      rows.map((row) => row.id),
    )
    .orderBy('run')
    .orderBy('number')
    .execute();
  const byDelivery = Map.groupBy(attempts, (attempt) => attempt.delivery_id);
  return rows.map((row) => ({
    id: row.id,
    event_id: row.event_id,
    endpoint_id: row.endpoint_id,
    type: row.type as EventType,
    status: row.status,
    attempts: (byDelivery.get(row.id) ?? []).map(presentAttempt),
    next_attempt_at: row.next_attempt_at?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
    streamed: row.streamed,
  }));
}

function presentAttempt(row: Selectable<Database['delivery_attempts']>): DeliveryAttempt {
  return {
    at: row.at.toISOString(),
    status_code: row.status_code,
    duration_ms: row.duration_ms,
    error: row.error,
    response_start: row.response_start,
  };
}

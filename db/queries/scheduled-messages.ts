import { sql, type Selectable } from 'kysely';
import type { TenantId } from '../../domain/ids.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import type { Actor, Database } from '../schema.ts';

export type ScheduledRow = Omit<
  Selectable<Database['scheduled_messages']>,
  'started' | 'leased_until'
>;

/** How long whoever wrote it has to hand it to Temporal before the drain does. */
const LEASE = '10 seconds';

const COLUMNS = [
  'id',
  'tenant_id',
  'ticket_id',
  'channel_id',
  'payload',
  'send_at',
  'time_zone',
  'status',
  'message_id',
  'error',
  'actor',
  'created_at',
  'ended_at',
] as const;

export interface NewScheduledMessage {
  readonly id: string;
  readonly ticketId: string;
  readonly channelId: string;
  /** A reply's. */
  readonly payload: Record<string, unknown>;
  readonly sendAt: Date;
  readonly timeZone: string | null;
  readonly actor: Actor;
}

/** Inserts it; a repeat with the same id finds the first one. */
export async function insertScheduled(
  db: Db,
  tenantId: TenantId,
  message: NewScheduledMessage,
): Promise<ScheduledRow> {
  return inTenant(db, tenantId, (tx) =>
    tx
      .insertInto('scheduled_messages')
      .values({
        id: message.id,
        tenant_id: tenantId,
        ticket_id: message.ticketId,
        channel_id: message.channelId,
        payload: JSON.stringify(message.payload),
        send_at: message.sendAt,
        time_zone: message.timeZone,
        message_id: null,
        actor: JSON.stringify(message.actor),
      })
      .onConflict((oc) => oc.column('id').doUpdateSet({ id: message.id }))
      .returning(COLUMNS)
      .executeTakeFirstOrThrow(),
  );
}

export async function findScheduled(
  db: Db,
  tenantId: TenantId,
  id: string,
): Promise<ScheduledRow | null> {
  const row = await inTenant(db, tenantId, (tx) =>
    tx.selectFrom('scheduled_messages').select(COLUMNS).where('id', '=', id).executeTakeFirst(),
  );
  return row ?? null;
}

/** Newest first. @param page.after id of the last one shown */
export async function listScheduled(
  db: Db,
  tenantId: TenantId,
  filter: { ticket_id?: string; status?: readonly string[] },
  page: { after: string | null; limit: number },
): Promise<ScheduledRow[]> {
  return inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('scheduled_messages')
      .select(COLUMNS)
      .where('tenant_id', '=', tenantId)
      .$if(filter.ticket_id !== undefined, (query) =>
        query.where('ticket_id', '=', filter.ticket_id!),
      )
      .$if((filter.status ?? []).length > 0, (query) =>
        query.where(sql<boolean>`status = any(${[...filter.status!]})`),
      )
      .$if(page.after !== null, (query) => query.where('id', '<', page.after!))
      .orderBy('id', 'desc')
      .limit(page.limit)
      .execute(),
  );
}

/** Cancels it, unless it has ended; null where there is none. A sending under way is waited for. */
export async function cancelScheduled(
  db: Db,
  tenantId: TenantId,
  id: string,
): Promise<{ readonly row: ScheduledRow; readonly cancelled: boolean } | null> {
  return inTenant(db, tenantId, async (tx) => {
    const row = await end(tx, id, { status: 'cancelled' });
    if (row) return { row, cancelled: true };
    const ended = await tx
      .selectFrom('scheduled_messages')
      .select(COLUMNS)
      .where('id', '=', id)
      .executeTakeFirst();
    return ended ? { row: ended, cancelled: ended.status === 'cancelled' } : null;
  });
}

/** In the transaction that queues its message. False where it was cancelled, or has been sent. */
export async function markScheduledSent(tx: Tx, id: string, messageId: string): Promise<boolean> {
  return (await end(tx, id, { status: 'sent', message_id: messageId })) !== null;
}

/** It can't be sent. Null where it has ended already. */
export async function markScheduledFailed(
  tx: Tx,
  id: string,
  error: { readonly code: string; readonly detail: string },
): Promise<ScheduledRow | null> {
  return end(tx, id, { status: 'failed', error: JSON.stringify(error) });
}

async function end(
  tx: Tx,
  id: string,
  how: {
    readonly status: 'sent' | 'cancelled' | 'failed';
    readonly message_id?: string;
    readonly error?: string;
  },
): Promise<ScheduledRow | null> {
  const row = await tx
    .updateTable('scheduled_messages')
    .set({ ...how, ended_at: sql<Date>`now()` })
    .where('id', '=', id)
    .where('status', '=', 'scheduled')
    .returning(COLUMNS)
    .executeTakeFirst();
  return row ?? null;
}

export interface UnstartedMessage {
  readonly tenantId: TenantId;
  readonly scheduledId: string;
  readonly sendAt: string;
}

/** Takes over, over all tenants, what was never handed to Temporal. */
export async function claimUnstarted(db: Db, atMost: number): Promise<UnstartedMessage[]> {
  const { rows } = await sql<{ tenant_id: TenantId; id: string; send_at: Date }>`
    select * from claim_scheduled_messages(${atMost}, ${LEASE}::interval)`.execute(db);
  return rows.map((row) => ({
    tenantId: row.tenant_id,
    scheduledId: row.id,
    sendAt: row.send_at.toISOString(),
  }));
}

/** Temporal has its workflow. */
export async function markStarted(
  db: Db,
  { tenantId, scheduledId }: Pick<UnstartedMessage, 'tenantId' | 'scheduledId'>,
): Promise<void> {
  await inTenant(db, tenantId, (tx) =>
    tx
      .updateTable('scheduled_messages')
      .set({ started: true })
      .where('id', '=', scheduledId)
      .execute(),
  );
}

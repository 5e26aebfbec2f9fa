import type { TenantId } from '../../domain/ids.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';

/** A customer's message as its vendor is told that it was read. */
export interface Readable {
  readonly id: string;
  readonly ticketId: string | null;
  readonly channelId: string;
  readonly provider: string;
  readonly direction: 'inbound' | 'outbound' | 'internal';
  readonly isRead: boolean;
  readonly providerMessageId: string | null;
  readonly address: string | null;
  readonly timestamp: Date;
}

const COLUMNS = [
  'messages.id',
  'messages.ticket_id',
  'messages.channel_id',
  'messages.direction',
  'messages.status',
  'messages.provider_message_id',
  'messages.timestamp',
  'messages.body',
  'channels.provider',
] as const;

export async function findReadable(
  db: Db,
  tenantId: TenantId,
  id: string,
): Promise<Readable | null> {
  const row = await inTenant(db, tenantId, (tx) =>
    messages(tx).where('messages.id', '=', id).executeTakeFirst(),
  );
  return row ? asReadable(row) : null;
}

/** What a customer wrote last, where nobody has marked it as read; null where there is no such message. */
export async function latestUnread(
  db: Db,
  tenantId: TenantId,
  channelId: string,
  address: string,
): Promise<Readable | null> {
  const row = await inTenant(db, tenantId, (tx) =>
    messages(tx)
      .innerJoin('conversations', 'conversations.last_inbound_id', 'messages.id')
      .where('conversations.channel_id', '=', channelId)
      .where('conversations.address', '=', address)
      .where('messages.status', '=', 'received')
      .executeTakeFirst(),
  );
  return row ? asReadable(row) : null;
}

/** Whoever has read a message has read those of the same person before it. */
export async function noteRead(
  db: Db,
  tenantId: TenantId,
  { id, ticketId, channelId, timestamp }: Readable,
): Promise<void> {
  await inTenant(db, tenantId, (tx) =>
    tx
      .updateTable('messages')
      .set({ status: 'read' })
      .where('direction', '=', 'inbound')
      .where('status', '=', 'received')
      .where((eb) =>
        ticketId === null
          ? eb('id', '=', id)
          : eb.or([
              eb('id', '=', id),
              eb.and([
                eb('ticket_id', '=', ticketId),
                eb('channel_id', '=', channelId),
                eb('timestamp', '<=', timestamp),
              ]),
            ]),
      )
      .execute(),
  );
}

function messages(tx: Tx) {
  return tx
    .selectFrom('messages')
    .innerJoin('channels', 'channels.id', 'messages.channel_id')
    .select(COLUMNS);
}

type Row = Awaited<ReturnType<ReturnType<typeof messages>['executeTakeFirstOrThrow']>>;

function asReadable(row: Row): Readable {
  const { from } = row.body as { from?: string | null }; // the column's own form
  return {
    id: row.id,
    ticketId: row.ticket_id,
    channelId: row.channel_id,
    provider: row.provider,
    direction: row.direction,
    isRead: row.status === 'read',
    providerMessageId: row.provider_message_id,
    address: from ?? null,
    timestamp: row.timestamp,
  };
}

import { sql } from 'kysely';
import type { Tx } from '../connection.ts';
import { withoutBulk } from './ingest-item.ts';
import { MESSAGE_COLUMNS, presentMessages, type MessageRow } from './messages.ts';
import type { TicketEvent } from './ticket-changes.ts';

/** So many of a conversation's messages without a ticket go to the one that is made of it: the latest. */
const MOST = 200;

/**
 * A message without a ticket, and of its conversation, if it has one, the latest others without; locked, in the order of
 * their time.
 * @param address at the other end of the conversation
 */
export async function lockLoose(
  tx: Tx,
  { id, channel_id, tenant_id }: Pick<MessageRow, 'id' | 'channel_id' | 'tenant_id'>,
  address: string | null,
): Promise<MessageRow[]> {
  const others = address === null ? [] : await latestLoose(tx, tenant_id, channel_id, address);
  const rows = await tx
    .selectFrom('messages')
    .select(MESSAGE_COLUMNS)
    .where('id', 'in', [...new Set([id, ...others])])
    .orderBy('id')
    .forUpdate()
    .execute();
  return rows.toSorted((a, b) => a.timestamp.getTime() - b.timestamp.getTime());
}

async function latestLoose(
  tx: Tx,
  tenantId: string,
  channelId: string,
  address: string,
): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select id from messages
     where tenant_id = ${tenantId} and ticket_id is null and channel_id = ${channelId}
       and other_end = lower(${address})
     order by timestamp desc, id desc limit ${MOST}`.execute(tx);
  return rows.map(({ id }) => id);
}

/** Puts them on a ticket; why they had none is no longer told. Returns the events that tell of it, in the order given. */
export async function attachLoose(
  tx: Tx,
  ticketId: string,
  loose: readonly Pick<MessageRow, 'id'>[],
): Promise<TicketEvent[]> {
  const ids = loose.map(({ id }) => id);
  const rows = await tx
    .updateTable('messages')
    .set({
      ticket_id: ticketId,
      routing: sql<string>`routing - 'ticketless' - 'begins'`,
    })
    .where('id', 'in', ids)
    .returning(MESSAGE_COLUMNS)
    .execute();
  const byId = new Map(rows.map((row) => [row.id, row]));
  const shown = await presentMessages(
    tx,
    ids.map((id) => byId.get(id)!),
  );
  return shown.map((message) => ({
    type: 'message.updated',
    data: { message: withoutBulk(message) },
  }));
}

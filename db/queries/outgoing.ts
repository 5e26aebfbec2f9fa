import { sql } from 'kysely';
import { newId, type MessageId, type TenantId } from '../../domain/ids.ts';
import type { MailAddress } from '../../domain/message.ts';
import type { writtenMessage } from '../../domain/reply.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import { MESSAGE_COLUMNS, type MessageRow } from './messages.ts';

export interface WrittenRow {
  readonly id: MessageId;
  readonly tenantId: TenantId;
  readonly ticketId: string;
  readonly channelId: string;
  readonly authorId: string | null;
  readonly body: ReturnType<typeof writtenMessage>;
  /** Until when it is tried; null for what is not sent. */
  readonly sendBy: Date | null;
  readonly now: Date;
}

/** Stores a reply, a notification or a note. */
export async function insertWritten(tx: Tx, written: WrittenRow): Promise<MessageRow> {
  const { body } = written;
  return tx
    .insertInto('messages')
    .values({
      id: written.id,
      tenant_id: written.tenantId,
      ticket_id: written.ticketId,
      channel_id: written.channelId,
      direction: body.direction,
      kind: body.kind,
      status: body.status,
      message_id: body.message_id,
      author_id: written.authorId,
      body: JSON.stringify(body),
      timestamp: written.now,
      received_at: written.now,
      send_by: written.sendBy,
    })
    .returning(MESSAGE_COLUMNS)
    .executeTakeFirstOrThrow();
}

/** An answer to this id belongs to the ticket. */
export async function rememberMessageId(
  tx: Tx,
  tenantId: TenantId,
  ticketId: string,
  messageId: string,
): Promise<void> {
  await tx
    .insertInto('thread_ids')
    .values({ tenant_id: tenantId, message_id: messageId, ticket_id: ticketId, cited: false })
    .onConflict((oc) =>
      oc.columns(['tenant_id', 'message_id']).doUpdateSet({ ticket_id: ticketId, cited: false }),
    )
    .execute();
}

/** Which of these attachments were never uploaded. */
export async function unknownAttachments(tx: Tx, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  const found = await tx
    .selectFrom('attachments')
    .select('id')
    .where('id', 'in', [...ids])
    .execute();
  const known = new Set(found.map((row) => row.id));
  return ids.filter((id) => !known.has(id));
}

/** Gives uploaded attachments to a message, in order; one that hangs on another message already is shared. */
export async function attachTo(
  tx: Tx,
  messageId: string,
  attachmentIds: readonly string[],
): Promise<void> {
  const ids = [...new Set(attachmentIds)];
  if (ids.length === 0) return;
  const found = await tx.selectFrom('attachments').selectAll().where('id', 'in', ids).execute();
  for (const row of found) {
    const position = ids.indexOf(row.id);
    if (row.message_id === null) {
      await tx
        .updateTable('attachments')
        .set({ message_id: messageId, position })
        .where('id', '=', row.id)
        .execute();
    } else {
      await tx
        .insertInto('attachments')
        .values({ ...row, id: newId('attachment'), message_id: messageId, position })
        .execute();
    }
  }
}

/** Addresses at which the tenant itself receives: an answer never goes there. */
export async function ownAddresses(tx: Tx, tenantId: TenantId): Promise<string[]> {
  const rows = await tx
    .selectFrom('channel_addresses')
    .select('address')
    .where('tenant_id', '=', tenantId)
    .union((eb) =>
      eb
        .selectFrom('channels')
        .select(sql<string>`address`.as('address'))
        .where('tenant_id', '=', tenantId)
        .where('deleted_at', 'is', null)
        .where('address', 'is not', null),
    )
    .execute();
  return rows.map(({ address }) => address);
}

/** The message that an answer answers: the one named, or the customer's latest on the ticket. */
export async function answeredMessage(
  tx: Tx,
  ticketId: string,
  messageId: string | null,
): Promise<MessageRow | null> {
  const row = await tx
    .selectFrom('messages')
    .select(MESSAGE_COLUMNS)
    .where('ticket_id', '=', ticketId)
    .where('direction', '<>', 'internal')
    .$if(messageId !== null, (query) => query.where('id', '=', messageId!))
    .$if(messageId === null, (query) =>
      query.where('direction', '=', 'inbound').where('kind', '=', 'message'),
    )
    .orderBy('timestamp', 'desc')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row ?? null;
}

/** The requester's address that mail can still be sent to. */
export async function requesterAddress(tx: Tx, contactId: string): Promise<MailAddress | null> {
  const row = await tx
    .selectFrom('contacts')
    .innerJoin('contact_addresses', 'contact_addresses.contact_id', 'contacts.id')
    .select(['contacts.name', 'contact_addresses.address'])
    .where('contacts.id', '=', contactId)
    .where('contact_addresses.address', 'like', '%@%')
    .where(sql<boolean>`not contact_addresses.address = any(contacts.undeliverable)`)
    .orderBy('contact_addresses.address')
    .limit(1)
    .executeTakeFirst();
  return row ? { name: row.name ?? '', address: row.address } : null;
}

/** A ticket's answers that are accepted and not yet handed over: replies first, oldest first. */
export async function queuedMessages(
  tx: Tx,
  ticketId: string,
): Promise<{ messageId: string; provider: string; sendBy: string }[]> {
  const rows = await tx
    .selectFrom('messages')
    .innerJoin('channels', 'channels.id', 'messages.channel_id')
    .select(['messages.id', 'channels.provider', 'messages.send_by', 'messages.kind'])
    .where('messages.ticket_id', '=', ticketId)
    .where('messages.direction', '=', 'outbound')
    .where('messages.status', 'in', ['queued'])
    .orderBy(sql`messages.kind <> 'message'`)
    .orderBy('messages.id')
    .execute();
  return rows.map((row) => ({
    messageId: row.id,
    provider: row.provider,
    sendBy: (row.send_by ?? new Date(0)).toISOString(),
  }));
}

/** What a message carries, with where its bytes are; in order. */
export async function outgoingAttachments(
  db: Db,
  tenantId: TenantId,
  messageId: string,
): Promise<
  {
    filename: string;
    contentType: string;
    size: number;
    sha256: Buffer;
    inline: boolean;
    contentId: string | null;
  }[]
> {
  const rows = await inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('attachments')
      .select(['filename', 'content_type', 'size', 'sha256', 'inline', 'content_id'])
      .where('message_id', '=', messageId)
      .orderBy('position')
      .execute(),
  );
  return rows.map((row) => ({
    filename: row.filename ?? 'attachment',
    contentType: row.content_type,
    size: row.size,
    sha256: row.sha256,
    inline: row.inline,
    contentId: row.content_id,
  }));
}

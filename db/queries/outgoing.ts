import { sql } from 'kysely';
import { newId, type MessageId, type TenantId } from '../../domain/ids.ts';
import { comparableMessageId } from '../../domain/mail/parse.ts';
import type { MailAddress } from '../../domain/message.ts';
import type { writtenMessage } from '../../domain/reply.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import { MESSAGE_COLUMNS, type MessageRow } from './messages.ts';
import { lockTickets, type TicketRow } from './tickets.ts';

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

/** The channel an answer leaves by, where it is live. */
export async function outgoingChannel(
  tx: Tx,
  tenantId: TenantId,
  wanted: { accountId: string } | { provider: string },
): Promise<{ id: string; provider: string; name: string; address: string | null } | null> {
  const row = await tx
    .selectFrom('channels')
    .select(['id', 'provider', 'name', 'address'])
    .where('tenant_id', '=', tenantId)
    .where('deleted_at', 'is', null)
    .$if('accountId' in wanted, (query) =>
      query.where('id', '=', (wanted as { accountId: string }).accountId),
    )
    .$if('provider' in wanted, (query) =>
      query
        .where('provider', '=', (wanted as { provider: string }).provider)
        .where('desired_state', '=', 'running'),
    )
    .orderBy('id')
    .limit(1)
    .executeTakeFirst();
  return row ?? null;
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

/** One attempt's hold on a message: only the latest holder may transmit, and only it may write what came of it. */
export interface SendClaim {
  readonly fence: number;
  /** An earlier attempt began to transmit, and nobody knows what came of it. */
  readonly inDoubt: boolean;
  /** The trace in which it was written (W3C Trace Context). */
  readonly traceparent: string | null;
  readonly message: MessageRow;
  readonly ticketNumber: number | null;
}

/** Takes a queued message for one attempt; null where it needs no sending any more. */
export async function claimForSending(
  db: Db,
  tenantId: TenantId,
  messageId: string,
): Promise<SendClaim | null> {
  return inTenant(db, tenantId, async (tx) => {
    const row = await tx
      .updateTable('messages')
      .set({
        send_fence: sql`send_fence + 1`,
        send_attempts: sql`send_attempts + 1`,
        send_phase: sql`coalesce(send_phase, 'claimed')`,
      })
      .where('id', '=', messageId)
      .where('status', '=', 'queued')
      .returning([...MESSAGE_COLUMNS, 'send_fence', 'send_phase', 'traceparent'])
      .executeTakeFirst();
    if (!row) return null;
    const { send_fence: fence, send_phase: phase, traceparent, ...message } = row;
    const ticket = await tx
      .selectFrom('tickets')
      .select('number')
      .where('id', '=', message.ticket_id)
      .executeTakeFirst();
    return {
      fence,
      inDoubt: phase === 'transmitting',
      traceparent,
      message,
      ticketNumber: ticket?.number ?? null,
    };
  });
}

/** Another attempt has taken the message over; this one must not touch it any more. */
export class ClaimLost extends Error {
  override name = 'ClaimLost';
}

/**
 * Writes how far this attempt is: `transmitting` right before the point of no return, `claimed` where it is certain
 * that nothing went out. @throws ClaimLost
 */
export async function setSendPhase(
  db: Db,
  tenantId: TenantId,
  { id, fence }: { id: string; fence: number },
  phase: 'claimed' | 'transmitting',
  error?: { code: string; detail: string },
): Promise<void> {
  const { numUpdatedRows } = await inTenant(db, tenantId, (tx) =>
    tx
      .updateTable('messages')
      .set({
        send_phase: phase,
        ...(phase === 'transmitting' && !error && { transmitted_at: sql<Date>`now()` }),
        ...(error && { error: JSON.stringify(error) }),
      })
      .where('id', '=', id)
      .where('send_fence', '=', fence)
      .where('status', '=', 'queued')
      .executeTakeFirst(),
  );
  if (numUpdatedRows === 0n) throw new ClaimLost(`Another attempt sends message ${id} now.`);
}

export interface Ending {
  readonly status: 'accepted' | 'sent' | 'failed' | 'uncertain';
  readonly providerMessageId?: string | null;
  /** Under which it reached the customer, where that is not the id we gave it. */
  readonly messageId?: string;
  readonly error?: { readonly code: string; readonly detail: string } | null;
  /** By when the vendor is to have said something of it. */
  readonly receiptDueAt?: Date;
}

/**
 * Ends a queued message in the caller's transaction, its ticket locked. Null where it has ended already, or where
 * `fence` is given and another attempt holds it now.
 */
export async function endSending(
  tx: Tx,
  messageId: string,
  ending: (state: { inDoubt: boolean; error: { code: string; detail: string } | null }) => Ending,
  fence?: number,
): Promise<{ message: MessageRow; ticket: TicketRow; ending: Ending } | null> {
  const found = await tx
    .selectFrom('messages')
    .select('ticket_id')
    .where('id', '=', messageId)
    .executeTakeFirst();
  if (!found?.ticket_id) return null;
  const ticket = (await lockTickets(tx, [found.ticket_id])).get(found.ticket_id)!;
  const state = await tx
    .selectFrom('messages')
    .select(['send_phase', 'error', 'provider_message_id'])
    .where('id', '=', messageId)
    .where('status', '=', 'queued')
    .$if(fence !== undefined, (query) => query.where('send_fence', '=', fence!))
    .forUpdate()
    .executeTakeFirst();
  if (!state) return null;
  const told = ending({
    inDoubt: state.send_phase === 'transmitting',
    error: state.error as { code: string; detail: string } | null,
  });
  const end = state.provider_message_id === null ? told : heardOf(told);
  const message = await tx
    .updateTable('messages')
    .set({
      status: end.status,
      send_phase: 'done',
      send_fence: sql`send_fence + 1`,
      ...(end.providerMessageId ? { provider_message_id: end.providerMessageId } : {}),
      error: end.error ? JSON.stringify(end.error) : null,
      receipt_due_at: end.receiptDueAt ?? null,
    })
    .where('id', '=', messageId)
    .returning(MESSAGE_COLUMNS)
    .executeTakeFirstOrThrow();
  if (end.messageId !== undefined) await noteThreadId(tx, message, end.messageId);
  return { message, ticket, ending: end };
}

/** Its echo, or a report of it, was here before its receipt: nothing is missed. */
function heardOf(ending: Ending): Ending {
  return ending.status === 'accepted'
    ? { ...ending, status: 'sent', receiptDueAt: undefined }
    : ending;
}

/** Answers that name it find the ticket. */
async function noteThreadId(
  tx: Tx,
  { tenant_id, ticket_id }: MessageRow,
  messageId: string,
): Promise<void> {
  await tx
    .insertInto('thread_ids')
    .values({ tenant_id, ticket_id: ticket_id!, message_id: comparableMessageId(messageId) })
    .onConflict((oc) => oc.doNothing())
    .execute();
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

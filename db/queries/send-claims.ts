import { sql } from 'kysely';
import type { TenantId } from '../../domain/ids.ts';
import { comparableMessageId } from '../../domain/mail/parse.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import { MESSAGE_COLUMNS, type MessageRow } from './messages.ts';
import { closeWindows, isWindowClosed } from './closed-windows.ts';
import { lockTickets, type TicketRow } from './tickets.ts';

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
  if (isWindowClosed(end.error)) await closeWindows(tx, [messageId]);
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

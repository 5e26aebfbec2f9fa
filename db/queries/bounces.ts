import { sql } from 'kysely';
import { comparableMessageId, type ParsedMail } from '../../domain/mail/parse.ts';
import type { TenantId } from '../../domain/ids.ts';
import type { NormalizedMessage } from '../../domain/message.ts';
import type { Tx } from '../connection.ts';
import { addressKey } from './known-contacts.ts';
import { MESSAGE_COLUMNS, presentMessages } from './messages.ts';
import type { TicketEvent } from './ticket-changes.ts';

/**
 * What bounce reports say of our mails: the message that bounced is marked, and addresses that failed for good. Only a
 * report that names our own Message-ID counts, since nobody else can know it; a delay (4.x.x) marks nothing. Of its
 * addresses only those that the mail went to are marked: who got one mail of ours has no say about other addresses.
 * Returns a `message.bounced` for each ticket whose answer bounced; what is known already is no event.
 */
export async function markBounced(
  tx: Tx,
  tenantId: TenantId,
  items: readonly { readonly mail: ParsedMail }[],
): Promise<Map<string, TicketEvent[]>> {
  const events = new Map<string, TicketEvent[]>();
  for (const { mail } of items) {
    const bounce = mail.message.bounce;
    const lost = bounce?.recipients.filter((one) => one.action === 'failed' && one.permanent) ?? [];
    if (!bounce?.original_message_id || lost.length === 0) continue;
    const error = {
      type: 'bounced',
      detail: (lost[0]!.diagnostic ?? lost[0]!.status ?? 'undeliverable').replaceAll('\0', ''),
    };
    const row = await tx
      .updateTable('messages')
      .set({ status: 'bounced', error: JSON.stringify(error) })
      .where('tenant_id', '=', tenantId)
      .where('direction', '=', 'outbound')
      .where('message_id', '=', comparableMessageId(bounce.original_message_id))
      .where('status', 'not in', ['bounced', 'complained'])
      .returning(MESSAGE_COLUMNS)
      .executeTakeFirst();
    if (!row) continue;
    const { to, cc } = row.body as Pick<NormalizedMessage, 'to' | 'cc'>; // the column's own form
    const written = new Set([...to, ...cc].map((one) => addressKey(one.address)));
    const failed = lost.map((recipient) => addressKey(recipient.address));
    await markUndeliverable(
      tx,
      tenantId,
      failed.filter((address) => written.has(address)),
    );
    if (row.ticket_id === null) continue;
    const [message] = await presentMessages(tx, [row]);
    events.set(row.ticket_id, [
      ...(events.get(row.ticket_id) ?? []),
      { type: 'message.bounced', data: { message, error } },
    ]);
  }
  return events;
}

/** No answer goes to these addresses any more. */
export async function markUndeliverable(
  tx: Tx,
  tenantId: TenantId,
  addresses: string[],
): Promise<void> {
  await sql`update contacts c
      set undeliverable = array(select distinct unnest(c.undeliverable || a.address))
     from contact_addresses a
    where a.tenant_id = ${tenantId} and a.address = any(${addresses}) and c.id = a.contact_id`.execute(
    tx,
  );
}

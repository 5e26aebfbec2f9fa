import { sql } from 'kysely';
import type { ChannelId, TenantId } from '../../domain/ids.ts';
import type { DeliveryStatus } from '../../providers/contract.ts';
import type { Tx } from '../connection.ts';

// Some vendors tell what arrived by a mark in time: all that was sent to a person until then.

export type ReceiptMark = DeliveryStatus & {
  readonly of: { readonly sentTo: string; readonly until: Date };
};

export function isMark(status: DeliveryStatus): status is ReceiptMark {
  return 'sentTo' in status.of;
}

/**
 * Messages of ours to the persons that marks speak of; the conversations lead to their tickets. Of one that nobody knows
 * to have arrived they say nothing: who reads what came before has not read it.
 */
export async function messagesUntil(
  tx: Tx,
  channelId: ChannelId,
  marks: readonly ReceiptMark[],
): Promise<{ id: string; ticket_id: string | null; status: DeliveryStatus['status'] }[]> {
  if (marks.length === 0) return [];
  const { rows } = await sql<{
    id: string;
    ticket_id: string | null;
    status: DeliveryStatus['status'];
  }>`
    select m.id, m.ticket_id, mark.status
      from ${recordset(marks)} as mark(sent_to text, until timestamptz, status text)
      join conversations c on c.channel_id = ${channelId} and c.address = mark.sent_to
      join messages m on m.ticket_id in (
             select t.id from tickets t where t.tenant_id = c.tenant_id and t.requester_id = c.contact_id
              union select c.ticket_id)
     where m.channel_id = c.channel_id and m.direction = 'outbound'
       and m.status in ('accepted', 'sent', 'delivered')
       and m.body->'to'->0->>'address' = c.address
       and coalesce(m.transmitted_at, m.timestamp) <= mark.until`.execute(tx);
  return rows;
}

/** Of messages that are not handed over yet: kept for them, the latest of each kind. */
export async function keepMarks(
  tx: Tx,
  tenantId: TenantId,
  channelId: ChannelId,
  marks: readonly ReceiptMark[],
): Promise<void> {
  if (marks.length === 0) return;
  await sql`
    insert into early_statuses (tenant_id, channel_id, message, status, at)
    select ${tenantId}, ${channelId}, ${markKey('')} || sent_to, status, max(until)
      from ${recordset(marks)} as mark(sent_to text, until timestamptz, status text)
     group by sent_to, status
    on conflict (channel_id, message, status, recipient)
      do update set at = greatest(early_statuses.at, excluded.at), created_at = now()`.execute(tx);
}

function recordset(marks: readonly ReceiptMark[]) {
  const rows = marks.map(({ of: { sentTo, until }, status }) => ({
    sent_to: sentTo,
    until,
    status,
  }));
  return sql`jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)`;
}

/** What marks had said already of a message whose receipt is written now. Its key is locked. */
export async function marksAfter(
  tx: Tx,
  message: { readonly id: string; readonly channel_id: string },
  address: string,
): Promise<{ status: DeliveryStatus['status'] }[]> {
  const { rows } = await sql<{ status: DeliveryStatus['status'] }>`
    select e.status
      from early_statuses e join messages m on m.id = ${message.id}
     where e.channel_id = ${message.channel_id} and e.message = ${markKey(address)}
       and e.at >= coalesce(m.transmitted_at, m.timestamp)`.execute(tx);
  return rows;
}

export function markKey(address: string): string {
  return `t:${address}`;
}

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
 * Messages of ours to the person that a mark speaks of; the conversation leads to their tickets. Of one that nobody knows
 * to have arrived it says nothing: who reads what came before has not read it.
 */
export async function messagesUntil(
  tx: Tx,
  channelId: ChannelId,
  { of: { sentTo, until } }: ReceiptMark,
): Promise<{ id: string; ticket_id: string | null }[]> {
  const { rows } = await sql<{ id: string; ticket_id: string | null }>`
    select m.id, m.ticket_id
      from conversations c
      join messages m on m.ticket_id in (
             select t.id from tickets t where t.tenant_id = c.tenant_id and t.requester_id = c.contact_id
              union select c.ticket_id)
     where c.channel_id = ${channelId} and c.address = ${sentTo}
       and m.channel_id = c.channel_id and m.direction = 'outbound'
       and m.status in ('accepted', 'sent', 'delivered')
       and m.body->'to'->0->>'address' = c.address
       and coalesce(m.transmitted_at, m.timestamp) <= ${until}`.execute(tx);
  return rows;
}

/** Of messages that are not handed over yet: kept for them, the latest of each kind. */
export async function keepMark(
  tx: Tx,
  tenantId: TenantId,
  channelId: ChannelId,
  { of: { sentTo, until }, status }: ReceiptMark,
): Promise<void> {
  await sql`
    insert into early_statuses (tenant_id, channel_id, message, status, at)
    values (${tenantId}, ${channelId}, ${markKey(sentTo)}, ${status}, ${until})
    on conflict (channel_id, message, status, recipient)
      do update set at = greatest(early_statuses.at, excluded.at), created_at = now()`.execute(tx);
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

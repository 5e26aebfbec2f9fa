import { sql } from 'kysely';
import type { TenantId } from '../../domain/ids.ts';
import type { Tx } from '../connection.ts';
import type { ChannelRow } from './channels.ts';
import type { TicketRow } from './tickets.ts';

const COLUMNS = ['id', 'provider', 'name', 'address', 'settings', 'secrets'] as const;

/** A channel that an answer leaves by. Of one that an admin stopped nothing goes out. */
export interface OutgoingChannel extends Pick<ChannelRow, (typeof COLUMNS)[number]> {
  readonly isStopped: boolean;
}

type TalkingTicket = Pick<TicketRow, 'id' | 'requester_id' | 'account_id'>;

/** Null where it is gone. */
export async function outgoingChannel(
  tx: Tx,
  tenantId: TenantId,
  id: string,
): Promise<OutgoingChannel | null> {
  const row = await tx
    .selectFrom('channels')
    .select(COLUMNS)
    .select(sql<boolean>`desired_state = 'stopped'`.as('isStopped'))
    .where('tenant_id', '=', tenantId)
    .where('deleted_at', 'is', null)
    .where('id', '=', id)
    .executeTakeFirst();
  return row ?? null;
}

/**
 * Of a provider's running channels the one to talk with the ticket's customer by: where the window is open then, else
 * where they wrote last, else the ticket's own, else the oldest. Null where none runs.
 */
export async function channelToReach(
  tx: Tx,
  tenantId: TenantId,
  provider: string,
  { id: ticketId, requester_id: requesterId, account_id: own }: TalkingTicket,
  at: Date,
): Promise<OutgoingChannel | null> {
  const { rows } = await sql<OutgoingChannel>`
    select ${sql.join(COLUMNS.map((column) => sql.ref(`c.${column}`)))}, false as "isStopped"
      from channels c
      left join lateral (
             select bool_or(coalesce(v.window_ends_at > ${at}, false)) as is_open,
                    max(v.last_inbound_at) as last_inbound_at
               from conversations v
              where v.channel_id = c.id and (v.ticket_id = ${ticketId} or v.contact_id = ${requesterId})
           ) talk on true
     where c.tenant_id = ${tenantId} and c.provider = ${provider}
       and c.deleted_at is null and c.desired_state = 'running'
     order by talk.is_open desc nulls last, talk.last_inbound_at desc nulls last, c.id = ${own} desc, c.id
     limit 1`.execute(tx);
  return rows[0] ?? null;
}

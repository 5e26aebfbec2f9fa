import { sql } from 'kysely';
import type { Conversation } from '../../domain/chat-answer.ts';
import type { MailAddress } from '../../domain/message.ts';
import type { Tx } from '../connection.ts';
import type { TicketRow } from './tickets.ts';

/** Whom an answer goes to, and how things stand with them. */
export interface Party extends Conversation {
  readonly name: string;
  /** Our own number or page, as the customer wrote to it last; null where they never did. */
  readonly ours: string | null;
}

const COLUMNS = [
  'conversations.address',
  'conversations.window_ends_at',
  'conversations.last_inbound_at',
  'conversations.opted_out_at',
  'contacts.name',
] as const;

function conversations(tx: Tx, channelId: string) {
  return tx
    .selectFrom('conversations')
    .innerJoin('contacts', 'contacts.id', 'conversations.contact_id')
    .leftJoin('messages', 'messages.id', 'conversations.last_inbound_id')
    .select(COLUMNS)
    .select(sql<string | null>`messages.body #>> '{to,0,address}'`.as('ours'))
    .where('conversations.channel_id', '=', channelId);
}

/** The conversation with this address, or null. */
export async function partyAt(tx: Tx, channelId: string, address: string): Promise<Party | null> {
  const row = await conversations(tx, channelId)
    .where('conversations.address', '=', address)
    .executeTakeFirst();
  return row ? asParty(row) : null;
}

/** Whom a ticket is talked about with on this channel: the ticket's own conversation, else its requester's latest. */
export async function partyOfTicket(
  tx: Tx,
  channelId: string,
  ticket: Pick<TicketRow, 'id' | 'requester_id'>,
): Promise<Party | null> {
  const row = await conversations(tx, channelId)
    .where((eb) =>
      eb.or([
        eb('conversations.ticket_id', '=', ticket.id),
        eb('conversations.contact_id', '=', ticket.requester_id),
      ]),
    )
    .orderBy((eb) => eb('conversations.ticket_id', 'is not distinct from', ticket.id), 'desc')
    .orderBy('conversations.last_inbound_at', (order) => order.desc().nullsLast())
    .limit(1)
    .executeTakeFirst();
  return row ? asParty(row) : null;
}

/** A number of the requester's, written to on this channel for the first time; null where none is known. */
export async function firstContact(
  tx: Tx,
  { requester_id }: Pick<TicketRow, 'requester_id'>,
  address: string | null,
): Promise<Party | null> {
  const row = await tx
    .selectFrom('contact_addresses')
    .innerJoin('contacts', 'contacts.id', 'contact_addresses.contact_id')
    .select(['contact_addresses.address', 'contacts.name'])
    .where('contact_addresses.contact_id', '=', requester_id)
    .$if(address !== null, (query) => query.where('contact_addresses.address', '=', address!))
    .where('contact_addresses.address', 'like', '+%')
    .orderBy('contact_addresses.address')
    .limit(1)
    .executeTakeFirst();
  return (
    (row && {
      address: row.address,
      name: row.name ?? '',
      windowEndsAt: null,
      lastInboundAt: null,
      optedOutAt: null,
      ours: null,
    }) ??
    null
  );
}

/** What the customer answers belongs to this ticket from now on. */
export async function talkOn(
  tx: Tx,
  channelId: string,
  { address }: Pick<Party, 'address'>,
  ticket: Pick<TicketRow, 'id' | 'tenant_id' | 'requester_id'>,
): Promise<void> {
  await tx
    .insertInto('conversations')
    .values({
      tenant_id: ticket.tenant_id,
      channel_id: channelId,
      address,
      contact_id: ticket.requester_id,
      ticket_id: ticket.id,
      last_inbound_id: null,
    })
    .onConflict((oc) =>
      oc
        .columns(['channel_id', 'address'])
        .doUpdateSet({ ticket_id: ticket.id })
        .where('conversations.ticket_id', 'is distinct from', ticket.id),
    )
    .execute();
}

/** Of uploaded files, in the order given. */
export async function attachmentFacts(
  tx: Tx,
  ids: readonly string[],
): Promise<{ readonly contentType: string; readonly size: number }[]> {
  if (ids.length === 0) return [];
  const rows = await tx
    .selectFrom('attachments')
    .select(['id', 'content_type', 'size'])
    .where('id', 'in', [...ids])
    .execute();
  const facts = new Map(
    rows.map(({ id, content_type: contentType, size }) => [id, { contentType, size }]),
  );
  return ids.flatMap((id) => facts.get(id) ?? []);
}

export function addressed({ name, address }: Party): MailAddress {
  return { name, address };
}

function asParty(row: {
  address: string;
  window_ends_at: Date | null;
  last_inbound_at: Date | null;
  opted_out_at: Date | null;
  name: string | null;
  ours: string | null;
}): Party {
  return {
    address: row.address,
    name: row.name ?? '',
    windowEndsAt: row.window_ends_at,
    lastInboundAt: row.last_inbound_at,
    optedOutAt: row.opted_out_at,
    ours: row.ours,
  };
}

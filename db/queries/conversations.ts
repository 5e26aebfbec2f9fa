import { sql } from 'kysely';
import type { ConversationFacts } from '../../domain/chat.ts';
import type { ChannelId, ContactId, MessageId, TenantId, TicketId } from '../../domain/ids.ts';
import type { Tx } from '../connection.ts';

/** One person's talk with one channel. */
export interface Conversation extends ConversationFacts {
  readonly channelId: string;
  readonly contactId: ContactId;
  /** Where its latest message went; null where it has no ticket. */
  readonly ticketId: string | null;
  readonly lastInboundId: string | null;
  readonly lastInboundAt: Date | null;
  /** When the customer last asked for silence or took it back. */
  readonly optedAt: Date | null;
}

const COLUMNS = [
  'channel_id',
  'address',
  'contact_id',
  'ticket_id',
  'last_inbound_id',
  'last_inbound_at',
  'window_ends_at',
  'opted_out_at',
  'opted_at',
] as const;

/** @param addresses E.164 or page-scoped ids, as the channel's messages have them */
export async function conversationsAt(
  tx: Tx,
  channelId: string,
  addresses: readonly string[],
): Promise<Conversation[]> {
  if (addresses.length === 0) return [];
  const rows = await tx
    .selectFrom('conversations')
    .select(COLUMNS)
    .where('channel_id', '=', channelId)
    .where(sql<boolean>`address = any(${[...new Set(addresses)]})`)
    .execute();
  return rows.map(asConversation);
}

/**
 * Whose name is to be asked for: of people who never wrote here, and of those who are still nameless a day after it was
 * asked for. These are noted as asked.
 */
export async function namesToAskFor(
  tx: Tx,
  channelId: string,
  addresses: readonly string[],
): Promise<string[]> {
  const { rows } = await sql<{ address: string; isKnown: boolean; isDue: boolean }>`
    select a.address, c.address is not null as "isKnown",
           coalesce(k.name, '') = ''
             and coalesce(c.profile_asked_at, '-infinity') < now() - interval '1 day' as "isDue"
      from unnest(${[...new Set(addresses)]}::text[]) a(address)
      left join conversations c on c.channel_id = ${channelId} and c.address = a.address
      left join contacts k on k.id = c.contact_id`.execute(tx);
  const due = rows.filter(({ isKnown, isDue }) => isKnown && isDue).map(({ address }) => address);
  if (due.length > 0)
    await tx
      .updateTable('conversations')
      .set({ profile_asked_at: sql<Date>`now()` })
      .where('channel_id', '=', channelId)
      .where(sql<boolean>`address = any(${due})`)
      .execute();
  return [...rows.filter(({ isKnown }) => !isKnown).map(({ address }) => address), ...due];
}

/** Gives nameless people the names that were told later, by their address. */
export async function nameParties(
  tx: Tx,
  channelId: string,
  names: ReadonlyMap<string, string>,
): Promise<void> {
  const told = JSON.stringify([...names].map(([address, name]) => ({ address, name })));
  await sql`
    update contacts k set name = told.name
      from jsonb_to_recordset(${told}::jsonb) as told(address text, name text)
      join conversations c on c.channel_id = ${channelId} and c.address = told.address
     where k.id = c.contact_id and coalesce(k.name, '') = ''`.execute(tx);
}

/** A contact's conversations, the one last heard of first; of one channel where it is given. */
export async function conversationsOf(
  tx: Tx,
  contactId: string,
  channelId?: string,
): Promise<Conversation[]> {
  const rows = await tx
    .selectFrom('conversations')
    .select(COLUMNS)
    .where('contact_id', '=', contactId)
    .$if(channelId !== undefined, (query) => query.where('channel_id', '=', channelId!))
    .orderBy(sql`last_inbound_at desc nulls last`)
    .orderBy('address')
    .execute();
  return rows.map(asConversation);
}

type Row = {
  channel_id: string;
  address: string;
  contact_id: string;
  ticket_id: string | null;
  last_inbound_id: string | null;
  last_inbound_at: Date | null;
  window_ends_at: Date | null;
  opted_out_at: Date | null;
  opted_at: Date | null;
};

function asConversation(row: Row): Conversation {
  return {
    channelId: row.channel_id,
    address: row.address,
    contactId: row.contact_id as ContactId,
    ticketId: row.ticket_id,
    lastInboundId: row.last_inbound_id,
    lastInboundAt: row.last_inbound_at,
    windowEndsAt: row.window_ends_at,
    optedOutAt: row.opted_out_at,
    optedAt: row.opted_at,
  };
}

/** What one message, or a batch's messages of one person, say of their conversation. */
export interface ConversationNews {
  readonly address: string;
  readonly contactId: ContactId;
  /** Null where the message went to none: the one before stays. */
  readonly ticketId: TicketId | null;
  readonly inbound: { readonly id: MessageId; readonly at: Date } | null;
  readonly windowEndsAt: Date | null;
  readonly opted: { readonly out: boolean; readonly at: Date } | null;
}

/**
 * Writes what was heard, one row for each address. A window only ever grows, and the customer's latest word on hearing
 * from us counts, whatever order messages come in.
 */
export async function keepConversations(
  tx: Tx,
  { tenantId, id }: { readonly tenantId: TenantId; readonly id: ChannelId },
  news: readonly ConversationNews[],
): Promise<void> {
  if (news.length === 0) return;
  const rows = news.map(({ address, contactId, ticketId, inbound, windowEndsAt, opted }) => ({
    tenant_id: tenantId,
    channel_id: id,
    address,
    contact_id: contactId,
    ticket_id: ticketId,
    last_inbound_id: inbound?.id ?? null,
    last_inbound_at: inbound?.at ?? null,
    window_ends_at: windowEndsAt,
    opted_out_at: opted?.out ? opted.at : null,
    opted_at: opted?.at ?? null,
  }));
  await sql`
    insert into conversations as c (tenant_id, channel_id, address, contact_id, ticket_id, last_inbound_id,
      last_inbound_at, window_ends_at, opted_out_at, opted_at)
    select tenant_id, channel_id, address, contact_id, ticket_id, last_inbound_id, last_inbound_at, window_ends_at,
           opted_out_at, opted_at
      from json_populate_recordset(null::conversations, ${JSON.stringify(rows)}::json)
    on conflict (channel_id, address) do update set
      contact_id = excluded.contact_id,
      ticket_id = coalesce(excluded.ticket_id, c.ticket_id),
      last_inbound_id = case when excluded.last_inbound_at >= coalesce(c.last_inbound_at, '-infinity')
        then excluded.last_inbound_id else c.last_inbound_id end,
      last_inbound_at = greatest(c.last_inbound_at, excluded.last_inbound_at),
      window_ends_at = greatest(c.window_ends_at, excluded.window_ends_at),
      opted_out_at = case when excluded.opted_at >= coalesce(c.opted_at, '-infinity')
        then excluded.opted_out_at else c.opted_out_at end,
      opted_at = greatest(c.opted_at, excluded.opted_at),
      updated_at = now()`.execute(tx);
}

import { sql, type RawBuilder } from 'kysely';
import type { Conversation } from '../../domain/chat-answer.ts';
import type { Tx } from '../connection.ts';

// The conversations of a page's messages or tickets, in one query for all of them.

export interface TalkPlace {
  readonly channelId: string;
  /** At the other end. */
  readonly address: string;
}

/** In the order given; null where nobody has talked there yet. */
export async function conversationsWith(
  tx: Tx,
  places: readonly TalkPlace[],
): Promise<(Conversation | null)[]> {
  return inOrder(
    tx,
    places,
    sql`join conversations c on c.channel_id = p."channelId" and c.address = p.address`,
  );
}

/** By ticket the channel that the customer's latest message came by, where it is still there. */
export async function latestChannels(
  tx: Tx,
  ticketIds: readonly string[],
): Promise<Map<string, { readonly channel: string; readonly account_id: string }>> {
  if (ticketIds.length === 0) return new Map();
  const { rows } = await sql<{ ticket_id: string; channel: string; account_id: string }>`
    select t.id as ticket_id, c.provider as channel, c.id as account_id
      from unnest(${ticketIds}::text[]) as t(id)
     cross join lateral (
           select m.channel_id from messages m
            where m.ticket_id = t.id and m.direction = 'inbound' and m.kind = 'message'
            order by m.timestamp desc, m.id desc
            limit 1) latest
      join channels c on c.id = latest.channel_id and c.deleted_at is null`.execute(tx);
  return new Map(rows.map(({ ticket_id: id, ...place }) => [id, place]));
}

export interface TicketPlace {
  readonly channelId: string;
  readonly ticketId: string;
  readonly requesterId: string;
}

/** The same of tickets, each on one channel: the ticket's own conversation, else its requester's latest. */
export async function conversationsOfTickets(
  tx: Tx,
  places: readonly TicketPlace[],
): Promise<(Conversation | null)[]> {
  return inOrder(
    tx,
    places,
    sql`cross join lateral (
          select c.address, c.window_ends_at, c.last_inbound_at, c.opted_out_at from conversations c
           where c.channel_id = p."channelId" and (c.ticket_id = p."ticketId" or c.contact_id = p."requesterId")
           order by c.ticket_id is not distinct from p."ticketId" desc, c.last_inbound_at desc nulls last
           limit 1) c`,
  );
}

async function inOrder(
  tx: Tx,
  places: readonly object[],
  joined: RawBuilder<unknown>,
): Promise<(Conversation | null)[]> {
  if (places.length === 0) return [];
  const wanted = JSON.stringify(places.map((one, place) => ({ ...one, place })));
  const { rows } = await sql<Conversation & { readonly place: number }>`
    select p.place, c.address, c.window_ends_at as "windowEndsAt", c.last_inbound_at as "lastInboundAt",
           c.opted_out_at as "optedOutAt"
      from jsonb_to_recordset(${wanted}::jsonb)
             as p(place int, "channelId" text, address text, "ticketId" text, "requesterId" text)
      ${joined}`.execute(tx);
  const byPlace = new Map(rows.map(({ place, ...conversation }) => [place, conversation]));
  return places.map((_, place) => byPlace.get(place) ?? null);
}

import { sql } from 'kysely';
import type { TicketId } from '../../domain/ids.ts';
import type { Tx } from '../connection.ts';
import { conversationsAt, type Conversation } from './conversations.ts';
import type { IngestingChannel, Item } from './ingest-item.ts';

/** A message of the channel that a chat's source names by its vendor's id. */
export interface NamedMessage {
  readonly id: string;
  readonly ticketId: TicketId | null;
  readonly direction: 'inbound' | 'outbound' | 'internal';
  /** Who it was talked with. */
  readonly address: string | null;
}

/**
 * What chats of a batch thread by: their conversations, and the messages that they name by their vendor's ids. Kept up
 * to date within the batch; of mail it reads nothing.
 */
export class ChatIndex {
  readonly #conversations: ReadonlyMap<string, Conversation>;
  readonly #named: Map<string, NamedMessage>;
  readonly #current = new Map<string, TicketId>();
  readonly #lastInbound = new Map<string, Date>();

  private constructor(
    conversations: ReadonlyMap<string, Conversation>,
    named: Map<string, NamedMessage>,
  ) {
    this.#conversations = conversations;
    this.#named = named;
    for (const { address, ticketId } of conversations.values())
      if (ticketId !== null) this.#current.set(address, ticketId as TicketId);
    for (const { address, lastInboundAt } of conversations.values())
      if (lastInboundAt !== null) this.#lastInbound.set(address, lastInboundAt);
  }

  static async load(tx: Tx, channel: IngestingChannel, items: readonly Item[]): Promise<ChatIndex> {
    const chats = items.flatMap(({ chat }) => chat ?? []);
    if (chats.length === 0) return new ChatIndex(new Map(), new Map());
    const conversations = await conversationsAt(
      tx,
      channel.id,
      chats.map(({ party }) => party.address),
    );
    const ids = chats.flatMap(({ answers, reaction, vendorId }) => [
      ...answers,
      ...(reaction ? [reaction.to] : []),
      ...(vendorId === null ? [] : [vendorId]),
    ]);
    return new ChatIndex(
      new Map(conversations.map((one) => [one.address, one])),
      await namedMessages(tx, channel.id, ids),
    );
  }

  /** Tickets that the batch may go to. */
  get ticketIds(): string[] {
    const quoted = [...this.#named.values()].flatMap(({ ticketId }) => ticketId ?? []);
    return [...new Set([...this.#current.values(), ...quoted])];
  }

  conversation(address: string): Conversation | undefined {
    return this.#conversations.get(address);
  }

  /** The ticket of the conversation's latest message. */
  currentTicket(address: string): TicketId | null {
    return this.#current.get(address) ?? null;
  }

  /** When the customer wrote last; null where they never did. */
  lastInbound(address: string): Date | null {
    return this.#lastInbound.get(address) ?? null;
  }

  message(vendorId: string): NamedMessage | undefined {
    return this.#named.get(vendorId);
  }

  /** Where a message may belong, nearest first: the ticket of what it quotes, then that of its conversation. */
  ticketsOf({ chat }: Item): TicketId[] {
    if (!chat) return [];
    const { address } = chat.party;
    const quoted = chat.answers.flatMap((id) => {
      const message = this.#named.get(id);
      return message?.ticketId && message.address === address ? [message.ticketId] : [];
    });
    const current = this.currentTicket(address);
    return [...new Set([...quoted, ...(current === null ? [] : [current])])];
  }

  /** A message has found its ticket, or that it has none: what follows in the batch can refer to it. */
  note({ chat, messageId, mail }: Item, ticketId: TicketId | null): void {
    if (!chat) return;
    const { address } = chat.party;
    if (ticketId !== null) this.#current.set(address, ticketId);
    this.#noteTime(address, mail.message);
    if (chat.vendorId === null) return;
    const { direction } = mail.message;
    this.#named.set(chat.vendorId, { id: messageId, ticketId, direction, address });
  }

  #noteTime(address: string, { direction, kind, timestamp }: Item['mail']['message']): void {
    const at = new Date(timestamp);
    const known = this.#lastInbound.get(address);
    const isSaid = direction === 'inbound' && kind === 'message';
    if (isSaid && !(known && known > at)) this.#lastInbound.set(address, at);
  }
}

/**
 * The channel's messages with these ids of its vendor's; what has been sent by us among them. An answer that went out in
 * several parts has one id itself; its other parts are known by their echoes.
 */
export async function namedMessages(
  tx: Tx,
  channelId: string,
  ids: readonly string[],
): Promise<Map<string, NamedMessage>> {
  if (ids.length === 0) return new Map();
  const wanted = [...new Set(ids)];
  // Each select by an index of its own.
  const { rows } = await sql<Named>`
    select id, provider_message_id, ticket_id, direction, body->>'from' as address from messages
     where channel_id = ${channelId} and direction = 'inbound' and provider_message_id = any(${wanted})
    union all
    select id, provider_message_id, ticket_id, direction, body->'to'->0->>'address' from messages
     where channel_id = ${channelId} and direction = 'outbound' and provider_message_id = any(${wanted})
    union all
    select m.id, s.provider_message_id, m.ticket_id, m.direction, m.body->'to'->0->>'address'
      from sources s join messages m on m.id = s.message_id and m.direction = 'outbound'
     where s.channel_id = ${channelId} and s.status = 'filtered'
       and s.provider_message_id = any(${wanted})`.execute(tx);
  return new Map(
    rows.map(({ id, provider_message_id: vendorId, ticket_id: ticketId, direction, address }) => [
      vendorId,
      { id, ticketId, direction, address },
    ]),
  );
}

interface Named {
  readonly id: string;
  readonly provider_message_id: string;
  readonly ticket_id: TicketId | null;
  readonly direction: 'inbound' | 'outbound';
  readonly address: string | null;
}

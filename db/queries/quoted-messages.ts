import type { Message } from '../../domain/message.ts';
import type { Tx } from '../connection.ts';
import { namedMessages } from './chat-index.ts';
import { MESSAGE_COLUMNS, presentMessages } from './messages.ts';

/** What a chat's message quotes. */
export interface Quote {
  readonly channelId: string;
  /** Of the customer whose conversation it is in. */
  readonly address: string;
  /** As `in_reply_to` has it: the vendor's id. */
  readonly named: string;
}

/** In the order given; null where it is not here, or in another's conversation. */
export async function quotedMessages(
  tx: Tx,
  quotes: readonly Quote[],
): Promise<(Message | null)[]> {
  const found = new Map<string, string>();
  for (const [channelId, own] of Map.groupBy(quotes, (quote) => quote.channelId)) {
    const names = own.map(({ named }) => named);
    for (const [name, { id, address }] of await namedMessages(tx, channelId, names))
      if (address !== null) found.set(keyOf({ channelId, address, named: name }), id);
  }
  const byId = await messagesById(tx, [...new Set(found.values())]);
  return quotes.map((quote) => byId.get(found.get(keyOf(quote)) ?? '') ?? null);
}

async function messagesById(tx: Tx, ids: readonly string[]): Promise<Map<string, Message>> {
  if (ids.length === 0) return new Map();
  const rows = await tx
    .selectFrom('messages')
    .select(MESSAGE_COLUMNS)
    .where('id', 'in', [...ids])
    .execute();
  return new Map((await presentMessages(tx, rows)).map((message) => [message.id, message]));
}

function keyOf({ channelId, address, named }: Quote): string {
  return `${channelId} ${address} ${named}`;
}

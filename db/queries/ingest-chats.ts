import type { ContactId } from '../../domain/ids.ts';
import type { Tx } from '../connection.ts';
import { keepConversations, type ConversationNews } from './conversations.ts';
import type { IngestingChannel, Item, Placed } from './ingest-item.ts';
import { insertPendingMedia } from './pending-media.ts';

/** What chats of a batch leave beside their messages: their conversations, and files still to be fetched. */
export async function keepChats(
  tx: Tx,
  channel: IngestingChannel,
  placed: readonly Placed[],
  contactsOf: (item: Item) => readonly string[],
): Promise<void> {
  const chats = placed.filter(({ item }) => item.chat !== undefined);
  if (chats.length === 0) return;
  const byAddress = Map.groupBy(chats, ({ item }) => item.chat!.party.address);
  const news = [...byAddress].map(([address, group]) =>
    newsOf(address, contactsOf(group[0]!.item)[0]! as ContactId, group),
  );
  await keepConversations(tx, channel, news);
  await insertPendingMedia(
    tx,
    channel,
    chats.flatMap(({ item }) =>
      item.chat!.missing.map((missing) => ({ messageId: item.messageId, ...missing })),
    ),
  );
}

/** What one person's messages of a batch say of the conversation. */
export function newsOf(
  address: string,
  contactId: ContactId,
  placed: readonly Placed[],
): ConversationNews {
  const ordered = placed.toSorted((a, b) => timeOf(a) - timeOf(b));
  const inbound = ordered.findLast(({ item }) => isSaid(item));
  const opting = ordered.findLast(({ item }) => item.chat!.opting !== null);
  const windows = ordered.flatMap(({ item }) => item.chat!.windowEndsAt?.getTime() ?? []);
  return {
    address,
    contactId,
    ticketId: placed.findLast(({ ticketId }) => ticketId !== null)?.ticketId ?? null,
    inbound: inbound ? { id: inbound.item.messageId, at: new Date(timeOf(inbound)) } : null,
    windowEndsAt: windows.length === 0 ? null : new Date(Math.max(...windows)),
    opted: opting
      ? { out: opting.item.chat!.opting === 'out', at: new Date(timeOf(opting)) }
      : null,
  };
}

/** A customer wrote it. */
function isSaid({ mail: { message } }: Item): boolean {
  return message.direction === 'inbound' && message.kind === 'message';
}

function timeOf({ item }: Placed): number {
  return Date.parse(item.mail.message.timestamp);
}

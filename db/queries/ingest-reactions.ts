import { sql } from 'kysely';
import type { Tx } from '../connection.ts';
import type { ChatIndex } from './chat-index.ts';
import { keepConversations } from './conversations.ts';
import type { IngestContext } from './ingest-context.ts';
import type { Item } from './ingest-item.ts';
import { settleSources } from './ingest-sources.ts';
import { MESSAGE_COLUMNS, presentMessages, type Reaction } from './messages.ts';
import { recordTicketEvents } from './ticket-changes.ts';
import { lockTickets } from './tickets.ts';

/**
 * Marks messages with what people put on them; of two marks of one person the later counts, whatever order they come in.
 * It moves no ticket. Returns those whose message is not here.
 */
export async function takeReactions(
  context: IngestContext,
  items: readonly Item[],
  chats: ChatIndex,
): Promise<Item[]> {
  const { tx, channel } = context;
  const found = items.filter(({ chat }) => chats.message(chat!.reaction!.to) !== undefined);
  if (found.length === 0) return [...items];
  const markedBy = ({ chat }: Item) => chats.message(chat!.reaction!.to)!;
  const marks = Map.groupBy(found, (item) => markedBy(item).id);
  // Before their messages: so lock all who write what came of a message.
  await lockTickets(
    tx,
    found.flatMap((item) => markedBy(item).ticketId ?? []),
  );
  await mark(tx, new Map([...marks].map(([id, group]) => [id, group.map(reactionOf)])));
  await announce(context, [...marks.keys()]);
  await settleSources(
    tx,
    [...marks].flatMap(([message_id, group]) =>
      group.map(({ sourceId }) => ({ id: sourceId, status: 'ingested' as const, message_id })),
    ),
  );
  await keepConversations(tx, channel, windowsOf(found, chats));
  return items.filter((item) => !found.includes(item));
}

function reactionOf({ chat, mail }: Item): Reaction {
  const { message } = mail;
  const isOurs = message.direction === 'outbound';
  return {
    address: isOurs ? (message.from ?? '') : chat!.party.address,
    emoji: chat!.reaction!.emoji,
    at: message.timestamp,
  };
}

async function mark(tx: Tx, marks: ReadonlyMap<string, readonly Reaction[]>): Promise<void> {
  const held = await tx
    .selectFrom('messages')
    .select(['id', 'reactions'])
    .where('id', 'in', [...marks.keys()])
    .orderBy('id')
    .forUpdate()
    .execute();
  const rows = held.map(({ id, reactions }) => ({
    id,
    reactions: merged(reactions ?? [], marks.get(id)!),
  }));
  await sql`update messages m set reactions = d.reactions
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as d(id text, reactions jsonb) where m.id = d.id`.execute(
    tx,
  );
}

/** One that was taken back is kept with its time, so that an older one which comes late does not put it back. */
function merged(before: readonly Reaction[], more: readonly Reaction[]): Reaction[] {
  const byPerson = new Map<string, Reaction>();
  for (const one of [...before, ...more]) {
    const known = byPerson.get(one.address);
    if (!known || Date.parse(one.at) >= Date.parse(known.at)) byPerson.set(one.address, one);
  }
  return [...byPerson.values()];
}

async function announce(
  { tx, pending }: IngestContext,
  messageIds: readonly string[],
): Promise<void> {
  const rows = await tx
    .selectFrom('messages')
    .select(MESSAGE_COLUMNS)
    .where('id', 'in', [...messageIds])
    .orderBy('id')
    .execute();
  const onTickets = rows.filter((row) => row.ticket_id !== null);
  const messages = await presentMessages(tx, onTickets);
  const byTicket = Map.groupBy(messages, (message) => message.ticket_id!);
  const tickets = await lockTickets(tx, [...byTicket.keys()]);
  await recordTicketEvents(
    tx,
    pending,
    [...byTicket].map(([ticketId, group]) => ({
      ticket: tickets.get(ticketId)!,
      events: group.map((message) => ({ type: 'message.updated' as const, data: { message } })),
    })),
  );
}

function windowsOf(items: readonly Item[], chats: ChatIndex) {
  const newest = new Map<string, Date>();
  for (const { chat } of items) {
    const { windowEndsAt, party } = chat!;
    const known = newest.get(party.address);
    if (windowEndsAt && !(known && known > windowEndsAt)) newest.set(party.address, windowEndsAt);
  }
  return [...newest].flatMap(([address, windowEndsAt]) => {
    const conversation = chats.conversation(address);
    if (!conversation) return [];
    const { contactId } = conversation;
    return [{ address, contactId, ticketId: null, inbound: null, windowEndsAt, opted: null }];
  });
}

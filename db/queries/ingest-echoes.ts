import { whereMessageGoes } from '../../domain/ticket-lifecycle.ts';
import type { ChatIndex } from './chat-index.ts';
import { applyEarlyStatuses } from './delivery-statuses.ts';
import { writeEvents } from './events.ts';
import type { IngestContext } from './ingest-context.ts';
import { keepChats } from './ingest-chats.ts';
import { sentEvents, type Item, type Placed } from './ingest-item.ts';
import { storeMessages } from './ingest-messages.ts';
import { finishSources } from './ingest-sources.ts';
import { settleOwnSends, tellApart } from './own-sends.ts';
import { addressKey, findOrAddContacts } from './known-contacts.ts';
import { MESSAGE_COLUMNS } from './messages.ts';
import { changeTickets, type TicketChange } from './ticket-changes.ts';
import { lockTickets, mustWake, wakeOf, type TicketRow } from './tickets.ts';
import { receivedText } from './ticket-search.ts';

/**
 * Messages that were sent beside us, by the vendor's own inbox or another program, join their conversation's ticket as
 * an agent's answers. Our own sends come back in the same way: those are known by their id, and never stored twice.
 * Returns how many are new.
 */
export async function takeEchoes(
  context: IngestContext,
  items: readonly Item[],
  chats: ChatIndex,
): Promise<number> {
  if (items.length === 0) return 0;
  const { strange, ours } = await tellApart(context, items);
  if (strange.length > 0) await takeStrange(context, strange, chats);
  await settleOwnSends(context, ours);
  return strange.length;
}

async function takeStrange(
  context: IngestContext,
  strange: readonly Item[],
  chats: ChatIndex,
): Promise<void> {
  const { tx, channel, now } = context;
  const contacts = await findOrAddContacts(
    tx,
    channel.tenantId,
    strange.map(({ chat }) => chat!.party),
  );
  const tickets = await lockTickets(
    tx,
    strange.flatMap(({ chat }) => chats.currentTicket(chat!.party.address) ?? []),
  );
  const placed = strange.map((item) => place(item, chats, tickets, context));
  const messages = await storeMessages(tx, channel, placed);
  for (const { item, ticketId } of placed) chats.note(item, ticketId);
  await keepChats(tx, channel, placed, ({ chat }) => [
    contacts.get(addressKey(chat!.party.address))!,
  ]);
  const joined = await join(context, placed, tickets, chats, messages);
  const alone = placed.filter(({ ticketId }) => ticketId === null);
  await writeEvents(
    tx,
    context.pending,
    sentEvents(alone, messages).map((event) => ({ ...event, ticketId: null, sequence: null })),
  );
  await applyEarlier(context, placed, joined);
  await finishSources(tx, channel, strange, now);
}

/** The vendor's word on what arrived may come before the echo. */
async function applyEarlier(
  { tx, pending }: IngestContext,
  placed: readonly Placed[],
  joined: ReadonlyMap<string, TicketRow>,
): Promise<void> {
  const tickets = new Map(joined);
  const rows = await tx
    .selectFrom('messages')
    .select(MESSAGE_COLUMNS)
    .where(
      'id',
      'in',
      placed.map(({ item }) => item.messageId),
    )
    .orderBy('id')
    .execute();
  for (const row of rows) {
    const ticket = row.ticket_id === null ? null : (tickets.get(row.ticket_id) ?? null);
    const after = await applyEarlyStatuses(tx, pending, row, ticket);
    if (after) tickets.set(after.id, after);
  }
}

/** It begins no ticket, and joins none whose conversation is over. */
function place(
  item: Item,
  chats: ChatIndex,
  tickets: ReadonlyMap<string, TicketRow>,
  { rules, now }: IngestContext,
): Placed {
  const current = chats.currentTicket(item.chat!.party.address);
  const ticket = current === null ? undefined : tickets.get(current);
  const joins = ticket !== undefined && whereMessageGoes(ticket, rules, now) !== 'follow_up';
  return joins
    ? { item, ticketId: current, effect: 'join', followUpOf: null }
    : { item, ticketId: null, effect: 'none', followUpOf: null };
}

async function join(
  { tx, pending, rules, now, channel }: IngestContext,
  placed: readonly Placed[],
  tickets: ReadonlyMap<string, TicketRow>,
  chats: ChatIndex,
  messages: Awaited<ReturnType<typeof storeMessages>>,
): Promise<ReadonlyMap<string, TicketRow>> {
  const byTicket = Map.groupBy(
    placed.filter(({ ticketId }) => ticketId !== null),
    ({ ticketId }) => ticketId!,
  );
  if (byTicket.size === 0) return new Map();
  const changes = [...byTicket].map(([ticketId, group]): TicketChange => {
    const answers = group.some(({ item }) => isAnswer(item, chats));
    return {
      ticket: tickets.get(ticketId)!,
      said: {
        by: answers ? 'agent' : 'nobody',
        messages: group.length,
        text: group.map(({ item }) => receivedText(item.mail.message)).join('\n'),
      },
      action: 'message.sent',
      events: sentEvents(group, messages),
    };
  });
  const actor = { type: 'ingestion', id: channel.id } as const;
  const reason = 'sent beside us';
  const rows = await changeTickets({ tx, pending, rules, actor, reason, now }, changes);
  const woken = rows.filter((row, at) => mustWake(changes[at]!.ticket, row));
  await pending.wakeTickets(tx, woken.map(wakeOf));
  return new Map(rows.map((row) => [row.id, row]));
}

/** Written by a person, after what the customer wrote last. */
function isAnswer({ chat, mail }: Item, chats: ChatIndex): boolean {
  if (mail.message.kind !== 'message') return false;
  const last = chats.lastInbound(chat!.party.address);
  return last === null || Date.parse(mail.message.timestamp) >= last.getTime();
}

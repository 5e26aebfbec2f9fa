import { whereMessageGoes } from '../../domain/ticket-lifecycle.ts';
import type { ChatIndex } from './chat-index.ts';
import { writeEvents } from './events.ts';
import type { IngestContext } from './ingest-context.ts';
import { keepChats } from './ingest-chats.ts';
import { sentEvents, type Item, type Placed } from './ingest-item.ts';
import { storeMessages } from './ingest-messages.ts';
import { finishSources } from './ingest-sources.ts';
import { withoutOwnSends } from './own-sends.ts';
import { addressKey, findOrAddContacts } from './known-contacts.ts';
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
  const strange = await withoutOwnSends(context, items);
  if (strange.length === 0) return 0;
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
  await join(context, placed, tickets, chats, messages);
  const alone = placed.filter(({ ticketId }) => ticketId === null);
  await writeEvents(
    tx,
    context.pending,
    sentEvents(alone, messages).map((event) => ({ ...event, ticketId: null, sequence: null })),
  );
  await finishSources(tx, channel, strange, now);
  return strange.length;
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
): Promise<void> {
  const byTicket = Map.groupBy(
    placed.filter(({ ticketId }) => ticketId !== null),
    ({ ticketId }) => ticketId!,
  );
  if (byTicket.size === 0) return;
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
}

/** Written by a person, after what the customer wrote last. */
function isAnswer({ chat, mail }: Item, chats: ChatIndex): boolean {
  if (mail.message.kind !== 'message') return false;
  const last = chats.lastInbound(chat!.party.address);
  return last === null || Date.parse(mail.message.timestamp) >= last.getTime();
}

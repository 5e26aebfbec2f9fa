import { newId, type TicketId } from '../../domain/ids.ts';
import { matchThread } from '../../domain/thread.ts';
import { whereMessageGoes, type TicketRules } from '../../domain/ticket-lifecycle.ts';
import type { ChatIndex } from './chat-index.ts';
import type { FilteredItem } from './filtered.ts';
import { isAutomatic, isReport, type Item, type Placed } from './ingest-item.ts';
import type { NoticeGroups } from './notice-groups.ts';
import type { ThreadIndex } from './thread-index.ts';

/**
 * Decides for each message, in order, which ticket it goes to: by its thread, else by its rule's group; later ones see
 * the tickets of earlier ones. What would begin a ticket without a keyword that the channel wants is turned away.
 */
export function placeAll(
  items: readonly Item[],
  index: ThreadIndex,
  groups: NoticeGroups,
  chats: ChatIndex,
  rules: TicketRules,
  now: Date,
): (Placed | FilteredItem)[] {
  const begun = new Set<TicketId>();
  return items.map((item) => {
    const match = item.chat
      ? chatTicket(item, index, chats, rules, now)
      : (matchThread(index.keysOf(item.mail), index.lookups(item.mail))?.ticketId ?? null);
    const group = match === null ? groupTicket(item, index, groups, begun) : null;
    const placed = placeOne(item, match ?? group, index, rules, now);
    const { lacksKeyword } = item.verdict;
    const begins = placed.effect === 'create' && placed.followUpOf === null;
    if (begins && lacksKeyword) return { item, filtered: lacksKeyword };
    if (placed.effect === 'create') begun.add(placed.ticketId!);
    if (placed.ticketId) {
      index.add(placed.ticketId, item.mail);
      groups.note(item, placed.ticketId);
    }
    chats.note(item, placed.ticketId);
    return { ...placed, isGrouped: group !== null };
  });
}

/**
 * The batch with each mail behind those in it that it names, otherwise in its order: a child that lies before its
 * parent's parent, and names its parent alone, would begin a ticket of its own.
 */
export function inThreadOrder(items: readonly Item[]): Item[] {
  const byId = new Map(items.map((item) => [item.mail.threading.messageId, item]));
  const ordered = new Set<Item>();
  const met = new Set<Item>();
  const unmet = (id: string): Item[] => {
    const parent = byId.get(id);
    return parent && !met.has(parent) ? [parent] : [];
  };
  // Along the ancestors with a stack of its own: a thread may be as deep as a batch is long.
  for (const item of items) {
    const open = [item];
    for (let at = open.at(-1); at; at = open.at(-1)) {
      const { references, inReplyTo } = at.mail.threading;
      const parents = met.has(at) ? [] : [...references, ...inReplyTo].flatMap(unmet);
      met.add(at);
      if (parents.length > 0) open.push(...parents);
      else ordered.add(open.pop()!);
    }
  }
  return [...ordered];
}

/** Of the tickets that a chat's message may belong to the nearest that takes it; a quote may be years old. */
function chatTicket(
  item: Item,
  index: ThreadIndex,
  chats: ChatIndex,
  rules: TicketRules,
  now: Date,
): TicketId | null {
  const tickets = chats.ticketsOf(item);
  const takes = (id: TicketId) => {
    const existing = index.ticket(id);
    return !existing || whereMessageGoes(existing, rules, now) !== 'follow_up';
  };
  return tickets.find(takes) ?? tickets.at(-1) ?? null;
}

/** The ticket of the notices before this one, as long as it is being worked on. */
function groupTicket(
  item: Item,
  index: ThreadIndex,
  groups: NoticeGroups,
  begun: ReadonlySet<TicketId>,
): TicketId | null {
  const id = groups.ticketOf(item);
  if (id === null || begun.has(id)) return id;
  const status = index.ticket(id)?.status;
  return status === undefined || status === 'resolved' || status === 'closed' ? null : id;
}

/** Goes along the chain of follow-ups to the first ticket that takes the message. */
function placeOne(
  item: Item,
  matched: TicketId | null,
  index: ThreadIndex,
  rules: TicketRules,
  now: Date,
): Placed {
  for (let id = matched; id !== null;) {
    const existing = index.ticket(id);
    if (!existing) return { item, ticketId: id, effect: 'new_reply', followUpOf: null };
    const effect = isAutomatic(item) ? 'join' : whereMessageGoes(existing, rules, now);
    if (effect !== 'follow_up') return { item, ticketId: id, effect, followUpOf: null };
    const successor = index.followUpOf(id);
    if (successor === undefined) {
      if (!mayBegin(item)) return withoutTicket(item);
      const ticketId = newId('ticket');
      index.followUp(id, ticketId);
      return { item, ticketId, effect: 'create', followUpOf: id };
    }
    id = successor;
  }
  if (!mayBegin(item)) return withoutTicket(item);
  return { item, ticketId: newId('ticket'), effect: 'create', followUpOf: null };
}

/** Machines' reports that belong to nothing are kept, but are nobody's ticket; so is what its channel wants no ticket of. */
function mayBegin(item: Item): boolean {
  return item.chat ? item.chat.beginsNothing === null : !isReport(item);
}

function withoutTicket(item: Item): Placed {
  return { item, ticketId: null, effect: 'none', followUpOf: null };
}

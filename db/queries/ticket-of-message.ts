import { chatSubject } from '../../domain/chat-source.ts';
import type { ContactId, TenantId, TicketId } from '../../domain/ids.ts';
import type { MailAddress, Message } from '../../domain/message.ts';
import { NO_VERDICT } from '../../domain/rules/evaluate.ts';
import { whereMessageGoes, type TicketRules } from '../../domain/ticket-lifecycle.ts';
import type { KeyRing } from '../../security/key-ring.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import type { Actor } from '../schema.ts';
import { talkOn } from './chat-outgoing.ts';
import { conversationsAt, type Conversation } from './conversations.ts';
import { lockIngestion } from './ingestion-lock.ts';
import { addressKey, findOrAddContacts, UNKNOWN_SENDER } from './known-contacts.ts';
import { attachLoose, lockLoose } from './loose-messages.ts';
import { findMessage, type MessageRow } from './messages.ts';
import { Pending } from './outbox.ts';
import type { Routing } from './routing.ts';
import { assignableTargets, ticketByRules } from './rule-targets.ts';
import { ThreadIndex } from './thread-index.ts';
import { announceTickets, changeTicket } from './ticket-changes.ts';
import { loadTicketRules } from './ticket-rules.ts';
import { receivedText } from './ticket-search.ts';
import { createTickets, startOf, type NewTicket, type TicketRow } from './tickets.ts';

export interface TicketOfMessage {
  readonly ticketId: string;
  /** False where the message, or its conversation, had one. */
  readonly isNew: boolean;
  /** To be flushed. */
  readonly pending: Pending;
}

/** Who makes a ticket of a message, and whether that may stand. */
export interface Making {
  readonly tenantId: TenantId;
  readonly actor: Actor;
  /** Looks at the ticket before it is made for good. @throws what undoes it */
  readonly check?: (tx: Tx, ticket: TicketRow) => Promise<unknown>;
}

/**
 * The ticket of a message that came without one: its own where it has one by now, else that of its conversation where
 * that takes messages still, else a new one, as ingestion would have begun it. What else the conversation has without a
 * ticket goes there too, and what the customer writes next. Under the ingestion's lock, so that two who ask at once, or
 * the next message, find the same ticket. Null where there is no such message.
 */
export async function ticketOfMessage(
  db: Db,
  keys: KeyRing,
  making: Making,
  messageId: string,
): Promise<TicketOfMessage | null> {
  const pending = new Pending(making.tenantId);
  const found = await inTenant(db, making.tenantId, async (tx) => {
    await lockIngestion(tx, making.tenantId);
    const message = await findMessage(tx, messageId);
    if (!message) return null;
    if (message.ticket_id !== null) return { ticketId: message.ticket_id, isNew: false };
    const { ticket, isNew } = await settle({ tx, keys, pending, making, message });
    await making.check?.(tx, ticket);
    return { ticketId: ticket.id, isNew };
  });
  return found && { ...found, pending };
}

interface Work {
  readonly tx: Tx;
  readonly keys: KeyRing;
  readonly pending: Pending;
  readonly making: Making;
  readonly message: MessageRow;
}

async function settle(work: Work): Promise<{ ticket: TicketRow; isNew: boolean }> {
  const { tx, keys, making, message } = work;
  const { tenantId } = making;
  const person = otherEnd(message);
  const [conversation = null] = await conversationsAt(tx, message.channel_id, [person.address]);
  const current = (conversation?.ticketId ?? null) as TicketId | null;
  const index = await ThreadIndex.load(tx, tenantId, keys, [], current === null ? [] : [current]);
  const rules = await loadTicketRules(tx, tenantId);
  const now = new Date();
  const place = placeOf(current, index, rules, now);
  const loose = await lockLoose(tx, message, conversation?.address ?? null);
  const ticket = place.ticket
    ? await join(work, rules, place.ticket, loose, now)
    : await begin(work, rules, { ...place, person, conversation }, loose, now);
  if (conversation) await talkOn(tx, message.channel_id, conversation, ticket);
  else await remember(tx, index, ticket, message);
  return { ticket, isNew: place.ticket === null };
}

interface Place {
  readonly ticket: TicketRow | null;
  readonly followUpOf: TicketId | null;
}

/** Along the follow-ups of the conversation's ticket to the first that takes messages, else behind the last of them. */
function placeOf(
  current: TicketId | null,
  index: ThreadIndex,
  rules: TicketRules,
  now: Date,
): Place {
  for (let id = current; id !== null;) {
    const ticket = index.ticket(id)!;
    if (whereMessageGoes(ticket, rules, now) !== 'follow_up') return { ticket, followUpOf: null };
    const successor = index.followUpOf(id);
    if (successor === undefined) return { ticket: null, followUpOf: id };
    id = successor;
  }
  return { ticket: null, followUpOf: null };
}

async function begin(
  { tx, pending, making: { tenantId, actor }, message }: Work,
  rules: TicketRules,
  origin: Place & { readonly person: MailAddress; readonly conversation: Conversation | null },
  loose: readonly MessageRow[],
  now: Date,
): Promise<TicketRow> {
  const { person, conversation, followUpOf } = origin;
  const body = bodyOf(message);
  const verdict = { ...NO_VERDICT, ...routingOf(message)?.begins };
  const requesterId = conversation?.contactId ?? (await requesterOf(tx, tenantId, message));
  const wanted: NewTicket = {
    subject: conversation ? chatSubject({ message: body, party: person }) : (body.subject ?? ''),
    channel: body.channel,
    accountId: message.channel_id,
    requesterId,
    participants: [requesterId],
    ...ticketByRules(verdict, await assignableTargets(tx, [verdict])),
    priority: verdict.priority ?? routingOf(message)?.priority ?? body.priority,
    followUpOf,
    messages: loose.length,
    events: 1 + loose.length,
    text: loose.map(textOf).join('\n'),
    ...(isAnswered(loose) ? { awaiting: null } : {}),
  };
  const [ticket] = await createTickets(tx, tenantId, rules, [wanted], actor, now);
  const events = [
    { type: 'ticket.created' as const },
    ...(await attachLoose(tx, ticket!.id, loose)),
  ];
  await announceTickets(tx, pending, [{ ticket: ticket!, events }]);
  await pending.startTickets(tx, [startOf(ticket!)]);
  return ticket!;
}

/** Nothing that was said before moves the ticket's clocks or status: it went on without it. */
async function join(
  { tx, pending, making: { actor } }: Work,
  rules: TicketRules,
  ticket: TicketRow,
  loose: readonly MessageRow[],
  now: Date,
): Promise<TicketRow> {
  const events = await attachLoose(tx, ticket.id, loose);
  const text = loose.map(textOf).join('\n');
  return changeTicket(
    { tx, pending, rules, actor, reason: 'they had no ticket', now },
    {
      ticket,
      said: { by: 'nobody', messages: loose.length, text },
      action: 'messages.attached',
      events,
    },
  );
}

/** Whoever asks by a rule, else whom it was talked with. */
async function requesterOf(tx: Tx, tenantId: TenantId, message: MessageRow): Promise<ContactId> {
  const person = routingOf(message)?.requester ?? otherEnd(message);
  const contacts = await findOrAddContacts(tx, tenantId, [person]);
  return contacts.get(addressKey(person.address))!;
}

/** Answers to a mail find its ticket by the ids that it names. */
async function remember(tx: Tx, index: ThreadIndex, ticket: TicketRow, message: MessageRow) {
  const body = bodyOf(message);
  const { message_id: messageId, references, in_reply_to: inReplyTo } = body;
  index.add(ticket.id as TicketId, {
    message: body,
    threading: { messageId, references, inReplyTo },
  });
  await index.store(tx);
}

function otherEnd(message: MessageRow): MailAddress {
  const { sender, to } = bodyOf(message);
  const person = message.direction === 'inbound' ? sender : to[0];
  return person && person.address.trim() !== '' ? person : UNKNOWN_SENDER;
}

/** Somebody of ours has answered by other means since the customer wrote last. */
function isAnswered(loose: readonly MessageRow[]): boolean {
  const said = loose.filter(({ kind }) => kind === 'message');
  const last = said.toSorted((a, b) => a.timestamp.getTime() - b.timestamp.getTime()).at(-1);
  return last?.direction === 'outbound';
}

function textOf(message: MessageRow): string {
  const body = bodyOf(message);
  return message.direction === 'inbound' ? receivedText(body) : body.content;
}

function bodyOf({ body }: MessageRow): Message {
  return body as unknown as Message; // what ingestion wrote
}

function routingOf({ routing }: MessageRow): Routing | null {
  return routing as Routing | null; // as routing.ts wrote it
}

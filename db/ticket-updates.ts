import { isWindowOpen } from '../domain/chat-answer.ts';
import {
  filledIn,
  filledValue,
  updateMessage,
  type TicketUpdate,
  type UpdateFacts,
} from '../domain/ticket-updates.ts';
import { checkedTemplate, type ChatPayload } from './chat-draft.ts';
import { partyOfTicket, type Party } from './queries/chat-outgoing.ts';
import type { TicketRow } from './queries/tickets.ts';
import { draftTold, namelessAs, queueTold, type TellingPlace } from './telling.ts';

/**
 * Queues what the channel's settings say the customer is told of this: text while the window is open, the template after
 * it. Returns whether there is something to send.
 */
export async function tellOfUpdate(
  place: TellingPlace,
  ticket: TicketRow,
  update: TicketUpdate,
): Promise<boolean> {
  const message = updateMessage(place.channel.settings, update);
  if (!message) return false;
  const party = await partyOfTicket(place.tx, place.channel.id, ticket);
  if (!party) return false;
  const payload = await payloadOf(place, ticket, message, party);
  const draft = await draftTold(place, ticket, update, party, payload);
  if (draft) await queueTold(place, ticket, 'notification', draft);
  return draft !== null;
}

async function payloadOf(
  { tx, channel, chat, now }: TellingPlace,
  ticket: TicketRow,
  { text, template, language, values }: NonNullable<ReturnType<typeof updateMessage>>,
  party: Party,
): Promise<ChatPayload> {
  const facts = {
    'ticket.number': String(ticket.number),
    'ticket.subject': ticket.subject,
    'ticket.status': ticket.status.replace('_', ' '),
    'customer.name': party.name,
  };
  const otherwise = insteadOf(ticket, party);
  const filled = Object.fromEntries(
    Object.entries(values).map(([place, value]) => [place, filledValue(value, facts, otherwise)]),
  );
  const wanted = template === null ? null : { name: template, language, values: filled };
  const isOpen = isWindowOpen(party, now);
  if (text !== null && (isOpen || wanted === null))
    return { text: filledIn(text, facts, otherwise) };
  if (!isOpen) return { template: wanted! };
  const chosen = await checkedTemplate({ tx, channelId: channel.id, chat }, wanted!);
  return 'code' in chosen || chosen.header ? { template: wanted! } : { text: chosen.text };
}

/** What stands where a fact isn't known and its place names nothing: a template takes no empty value. */
function insteadOf({ number }: TicketRow, party: Party): Partial<UpdateFacts> {
  return { 'ticket.subject': `#${number}`, 'customer.name': namelessAs(party) };
}

import { autoreplyTexts } from '../domain/rules/autoresponder.ts';
import type { Autoresponder } from '../domain/rules/schema.ts';
import { claimRecipient } from './queries/auto-replies.ts';
import { partyOfTicket } from './queries/chat-outgoing.ts';
import type { TicketRow } from './queries/tickets.ts';
import { draftTold, namelessAs, queueTold, type TellingPlace } from './telling.ts';

/**
 * Queues the autoresponder's answer to whoever began this ticket on a chat, unless they were answered within its span.
 * It is free text: after the window nothing goes. Returns whether there is something to send.
 */
export async function answerFirst(
  place: TellingPlace,
  ticket: TicketRow,
  autoresponder: Autoresponder,
): Promise<boolean> {
  const { tx, tenantId, channel, now } = place;
  const party = await partyOfTicket(tx, channel.id, ticket);
  if (!party) return false;
  const { text, html } = autoreplyTexts(autoresponder, {
    'ticket.number': String(ticket.number),
    'ticket.subject': ticket.subject,
    'sender.name': party.name || namelessAs(party),
    'sender.address': party.address,
    'channel.name': channel.name,
  });
  const draft = await draftTold(place, ticket, 'autoresponder', party, { text, html });
  if (!draft) return false;
  // Only what can be said counts as said.
  const here = { tenantId, id: channel.id };
  const isDue = await claimRecipient(tx, here, autoresponder, party.address, now);
  if (isDue) await queueTold(place, ticket, 'auto_reply', draft);
  return isDue;
}

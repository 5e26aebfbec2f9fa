import { isWindowOpen, type Refusal } from '../domain/chat-answer.ts';
import { newId, type TenantId } from '../domain/ids.ts';
import { writtenMessage } from '../domain/reply.ts';
import {
  filledIn,
  filledValue,
  updateMessage,
  type TicketUpdate,
  type UpdateFacts,
} from '../domain/ticket-updates.ts';
import type { ChatCapability } from '../providers/contract.ts';
import { customersUntold } from '../telemetry/metrics.ts';
import { checkedTemplate, draftChat, type ChatPayload } from './chat-draft.ts';
import type { Tx } from './connection.ts';
import { partyOfTicket, type Party } from './queries/chat-outgoing.ts';
import { insertAudit } from './queries/audit.ts';
import { attachTo, insertWritten } from './queries/outgoing.ts';
import type { TicketRow } from './queries/tickets.ts';
import type { Actor } from './schema.ts';

/** News that could not be told for so long is none. */
const TELL_FOR_MS = 24 * 3600 * 1000;

export interface TellingPlace {
  readonly tx: Tx;
  readonly tenantId: TenantId;
  readonly channel: {
    readonly id: string;
    readonly provider: string;
    readonly name: string;
    readonly address: string | null;
    /** As stored: what they say of ticket updates is read. */
    readonly settings: unknown;
    /** By an admin: nothing goes out. */
    readonly isStopped?: boolean;
  };
  readonly chat: ChatCapability<unknown>;
  /** Who caused it. */
  readonly actor: Actor;
  readonly now: Date;
}

/**
 * Queues what the channel's settings say the customer is told of this: text while the window is open, the template after
 * it. Where neither may be sent, or the customer asked for silence, the ticket's audit trail says so, and it is counted.
 * Returns whether there is something to send.
 */
export async function tellOfUpdate(
  place: TellingPlace,
  ticket: TicketRow,
  update: TicketUpdate,
): Promise<boolean> {
  const message = updateMessage(place.channel.settings, update);
  if (!message) return false;
  const { tx, channel, chat, now } = place;
  const party = await partyOfTicket(tx, channel.id, ticket);
  if (!party) return false;
  if (channel.isStopped) {
    await noteUntold(place, ticket, update, STOPPED);
    return false;
  }
  const payload = await payloadOf(place, ticket, message, party);
  const at = { tx, channelId: channel.id, chat, ticket };
  const draft = await draftChat(at, { ...payload, to: [party] }, null, now);
  if ('code' in draft) {
    await noteUntold(place, ticket, update, draft);
    return false;
  }
  const id = newId('message', now.getTime());
  await insertWritten(tx, {
    id,
    tenantId: place.tenantId,
    ticketId: ticket.id,
    channelId: channel.id,
    authorId: null,
    body: writtenMessage({
      provider: channel.provider,
      direction: 'outbound',
      kind: 'notification',
      status: 'queued',
      sender: { name: channel.name, address: channel.address ?? '' },
      to: draft.to,
      cc: [],
      subject: null,
      text: draft.text,
      html: null,
      messageId: `${id.toLowerCase()}.notification@postroom`,
      answered: null,
      specific: draft.specific,
      now,
    }),
    sendBy: new Date(now.getTime() + TELL_FOR_MS),
    now,
  });
  await attachTo(tx, id, draft.attachments);
  return true;
}

const STOPPED: Refusal = { code: 'channel_stopped', detail: 'The channel is stopped.' };

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
function insteadOf({ number }: TicketRow, { address }: Party): Partial<UpdateFacts> {
  return {
    'ticket.subject': `#${number}`,
    'customer.name': address.startsWith('+') ? address : 'customer',
  };
}

async function noteUntold(
  { tx, tenantId, channel, actor, now }: TellingPlace,
  { id }: TicketRow,
  update: TicketUpdate,
  { code, detail }: Refusal,
): Promise<void> {
  customersUntold.inc({ provider: channel.provider, reason: code });
  await insertAudit(tx, [
    {
      tenantId,
      ticketId: id,
      actor,
      action: 'customer.not_told',
      reason: `${update}: ${detail}`,
      at: now,
    },
  ]);
}

import type { Refusal } from '../domain/chat-answer.ts';
import { newId, type TenantId } from '../domain/ids.ts';
import { writtenMessage } from '../domain/reply.ts';
import type { ChatCapability } from '../providers/contract.ts';
import { customersUntold } from '../telemetry/metrics.ts';
import { draftChat, type ChatDraft, type ChatPayload } from './chat-draft.ts';
import type { Tx } from './connection.ts';
import { insertAudit } from './queries/audit.ts';
import type { Party } from './queries/chat-outgoing.ts';
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
 * What a customer on a chat is to be told without anybody's writing it, as far as it may be said now. Where it may not,
 * or the customer asked for silence, the ticket's audit trail says so under `what`, it is counted, and null is returned.
 */
export async function draftTold(
  place: TellingPlace,
  ticket: TicketRow,
  what: string,
  party: Party,
  payload: ChatPayload,
): Promise<ChatDraft | null> {
  const { tx, channel, chat, now } = place;
  const at = { tx, channelId: channel.id, chat, ticket };
  const draft = channel.isStopped
    ? STOPPED
    : await draftChat(at, { ...payload, to: [party] }, null, now);
  if (!('code' in draft)) return draft;
  await noteUntold(place, ticket, what, draft);
  return null;
}

/** Queues what was drafted; it moves no clock. */
export async function queueTold(
  { tx, tenantId, channel, now }: TellingPlace,
  ticket: TicketRow,
  kind: 'notification' | 'auto_reply',
  draft: ChatDraft,
): Promise<void> {
  const id = newId('message', now.getTime());
  await insertWritten(tx, {
    id,
    tenantId,
    ticketId: ticket.id,
    channelId: channel.id,
    authorId: null,
    body: writtenMessage({
      provider: channel.provider,
      direction: 'outbound',
      kind,
      status: 'queued',
      sender: { name: channel.name, address: draft.party.ours ?? channel.address ?? '' },
      to: draft.to,
      cc: [],
      subject: null,
      text: draft.text,
      html: null,
      messageId: `${id.toLowerCase()}.${kind}@postroom`,
      answered: null,
      specific: draft.specific,
      now,
    }),
    sendBy: new Date(now.getTime() + TELL_FOR_MS),
    now,
  });
  await attachTo(tx, id, draft.attachments);
}

/** What stands for a customer whose name isn't known. */
export function namelessAs({ address }: Party): string {
  return address.startsWith('+') ? address : 'customer';
}

const STOPPED: Refusal = { code: 'channel_stopped', detail: 'The channel is stopped.' };

async function noteUntold(
  { tx, tenantId, channel, actor, now }: TellingPlace,
  { id }: TicketRow,
  what: string,
  { code, detail }: Refusal,
): Promise<void> {
  customersUntold.inc({ provider: channel.provider, reason: code });
  await insertAudit(tx, [
    {
      tenantId,
      ticketId: id,
      actor,
      action: 'customer.not_told',
      reason: `${what}: ${detail}`,
      at: now,
    },
  ]);
}

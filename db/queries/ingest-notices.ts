import type { TicketId } from '../../domain/ids.ts';
import { updateMessage } from '../../domain/ticket-updates.ts';
import { isFresh } from '../../domain/loop-guard.ts';
import { autoreplyRecipient, whyNoAutoreply } from '../../domain/rules/autoresponder.ts';
import type { Autoresponder } from '../../domain/rules/schema.ts';
import type { KeyRing } from '../../security/key-ring.ts';
import type { Tx } from '../connection.ts';
import { answerFirst } from '../chat-auto-reply.ts';
import type { TellingPlace } from '../telling.ts';
import { tellOfUpdate } from '../ticket-updates.ts';
import { queueAutoReplies, type Answerable } from './auto-replies.ts';
import { isAutomatic, type IngestingChannel, type Placed } from './ingest-item.ts';
import { addressKey } from './known-contacts.ts';
import { ownAddresses } from './outgoing.ts';
import { oversizeOf, tellOversize } from './oversize-notice.ts';
import { THREAD_KEY, type ThreadIndex } from './thread-index.ts';
import type { TicketRow } from './tickets.ts';

interface Stored {
  readonly created: readonly TicketRow[];
  readonly placed: readonly Placed[];
  readonly index: ThreadIndex;
  /** Tickets on which a machine seems to answer. */
  readonly loops: ReadonlyMap<TicketId, string>;
  readonly now: Date;
}

/**
 * Queues what the product itself says to senders: that a mail was too large, that one has come. Returns the tickets
 * that have something to send. Nothing where the channel can't send.
 */
export async function queueNotices(
  tx: Tx,
  channel: IngestingChannel,
  keys: KeyRing,
  stored: Stored,
): Promise<Set<string>> {
  if (!channel.canSend) return new Set();
  const key = keys.derive(THREAD_KEY);
  const oversize = await tellOfOversize(tx, channel, key, stored);
  const received = await tellOfReceipt(tx, channel, key, stored);
  const updated = await tellOfUpdates(tx, channel, stored);
  return new Set([...oversize, ...received, ...updated]);
}

/** On a chat, where its settings say so: that a request has come in, or is open again. */
async function tellOfUpdates(
  tx: Tx,
  channel: IngestingChannel,
  { created, placed, index, loops, now }: Stored,
): Promise<Set<string>> {
  const told = new Set<string>();
  if (!channel.telling) return told;
  const place = tellingPlace(tx, channel, channel.telling, now);
  const begun = new Map(created.map((row) => [row.id, row]));
  for (const { item, ticketId, effect } of placed) {
    if (ticketId === null || told.has(ticketId) || isAutomatic(item) || loops.has(ticketId))
      continue;
    if (!isFresh(item.mail.message.timestamp, now)) continue;
    const update = effect === 'create' ? 'ticket.created' : 'ticket.reopened';
    const ticket = effect === 'create' ? begun.get(ticketId) : index.ticket(ticketId);
    if (!ticket || ticket.muted || (effect !== 'create' && effect !== 'reopen')) continue;
    if (await tellOfUpdate(place, { ...ticket, status: 'open' }, update)) told.add(ticketId);
  }
  return told;
}

async function tellOfOversize(
  tx: Tx,
  { tenantId, id }: IngestingChannel,
  key: Buffer,
  { placed, index, loops, now }: Stored,
): Promise<Set<string>> {
  const told = new Set<string>();
  for (const { item, ticketId } of placed) {
    const { message } = item.mail;
    const oversize = oversizeOf(message);
    // Never an answer to a machine, to ourselves, in a loop, or to mail of long ago that is being imported.
    if (!oversize || ticketId === null || isAutomatic(item) || loops.has(ticketId)) continue;
    if (index.ticket(ticketId)?.muted || index.isOurs(message.sender?.address ?? '')) continue;
    if (!isFresh(message.timestamp, now)) continue;
    const notice = { ticketId, message, size: oversize.size };
    if (await tellOversize(tx, tenantId, id, key, notice, now)) told.add(ticketId);
  }
  return told;
}

/** The autoresponder's answers to those who began a ticket. */
async function tellOfReceipt(
  tx: Tx,
  channel: IngestingChannel,
  key: Buffer,
  { created, placed, index, loops, now }: Stored,
): Promise<Set<string>> {
  const { autoresponder, address, telling, tenantId } = channel;
  const begun = placed.filter(({ effect }) => effect === 'create');
  if (!autoresponder || begun.length === 0) return new Set();
  const rows = new Map(created.map((row) => [row.id, row]));
  // A chat's channels have addresses by their settings alone.
  const own = new Set(
    (telling ? await ownAddresses(tx, tenantId) : [address ?? '']).map(addressKey),
  );
  const isOurs = (to: string) => index.isOurs(to) || own.has(addressKey(to));
  const answerable = begun.flatMap(({ item, ticketId }): Answerable[] => {
    const ticket = rows.get(ticketId!);
    if (!ticket || loops.has(ticketId!) || oversizeOf(item.mail.message)) return [];
    const reason = whyNoAutoreply({ ...item, isOurs, now, isChat: telling !== undefined });
    return reason === null ? [{ item, ticket, to: autoreplyRecipient(item)! }] : [];
  });
  return telling
    ? answerChats(tellingPlace(tx, channel, telling, now), autoresponder, answerable)
    : queueAutoReplies(tx, channel, autoresponder, key, answerable, now);
}

/** Whom the channel's settings tell that their request has come in, they tell already. */
async function answerChats(
  place: TellingPlace,
  autoresponder: Autoresponder,
  answerable: readonly Answerable[],
): Promise<Set<string>> {
  const answered = new Set<string>();
  if (updateMessage(place.channel.settings, 'ticket.created')) return answered;
  for (const { ticket } of answerable)
    if (await answerFirst(place, ticket, autoresponder)) answered.add(ticket.id);
  return answered;
}

function tellingPlace(
  tx: Tx,
  { tenantId, id, provider, name, address = null }: IngestingChannel,
  { chat, settings }: NonNullable<IngestingChannel['telling']>,
  now: Date,
): TellingPlace {
  return {
    tx,
    tenantId,
    channel: { id, provider, name, address, settings },
    chat,
    actor: { type: 'ingestion', id },
    now,
  };
}

import { sql } from 'kysely';
import type { Tx } from '../connection.ts';
import { namedMessages } from './chat-index.ts';
import { applyEarlyStatuses } from './delivery-statuses.ts';
import { mayWait, type IngestContext } from './ingest-context.ts';
import type { Item } from './ingest-item.ts';
import { settleSources } from './ingest-sources.ts';
import { lockMessages, MESSAGE_COLUMNS, presentMessages } from './messages.ts';
import { recordTicketEvents } from './ticket-changes.ts';
import { lockTickets, type TicketRow } from './tickets.ts';

/** A message of ours that may be the one which an echo repeats. */
interface OpenSend {
  readonly id: string;
  readonly ticket_id: string | null;
  readonly status: string;
  readonly under_way: boolean;
  readonly address: string | null;
  readonly content: string;
}

/** An echo, and the message of ours that it repeats. */
export interface OwnEcho {
  readonly item: Item;
  readonly id: string;
  /** Where it was in doubt, or its receipt is not written yet. */
  readonly open: OpenSend | null;
}

/**
 * Tells what we sent ourselves, known by its own id or the vendor's, from what was sent beside us. While a message to the
 * same person is on its way, nobody can tell whether it is that one: then the echo waits, and is in neither. Asked in this
 * order, a receipt that is written meanwhile is seen by the second look.
 */
export async function tellApart(
  context: IngestContext,
  items: readonly Item[],
): Promise<{ strange: Item[]; ours: OwnEcho[] }> {
  const { tx, channel, now } = context;
  const open = await openSends(context, items);
  const vendorIds = items.flatMap(({ chat }) => chat!.vendorId ?? []);
  const named = await namedMessages(tx, channel.id, vendorIds);
  const strange: Item[] = [];
  const ours: OwnEcho[] = [];
  for (const item of items) {
    const { vendorId, sentAs, party } = item.chat!;
    const known = vendorId === null ? undefined : named.get(vendorId);
    const own = known ? null : ownSend(item, open);
    const mayBe = open.some((one) => one.under_way && one.address === party.address);
    if (known) ours.push({ item, id: known.id, open: null });
    else if (own) ours.push({ item, id: own.id, open: own });
    else if (sentAs !== null || !mayBe || !mayWait(item, now)) strange.push(item);
  }
  return { strange, ours };
}

/**
 * What came back was sent: its vendor's id is known now, a doubt is gone, and no report is missed any more, since the
 * vendor's webhook does reach us. Tickets before messages: so lock all who write what came of a send.
 */
export async function settleOwnSends(
  context: IngestContext,
  ours: readonly OwnEcho[],
): Promise<void> {
  if (ours.length === 0) return;
  const { tx } = context;
  const doubted = ours.filter(({ open }) => open?.status === 'uncertain');
  const tickets = await lockTickets(
    tx,
    doubted.flatMap(({ open }) => open!.ticket_id ?? []),
  );
  await noteSent(tx, ours);
  for (const { id, open } of doubted) await endDoubt(context, id, open!, tickets);
  await settleSources(
    tx,
    ours.map(({ item, id }) => ({ id: item.sourceId, status: 'filtered', message_id: id })),
  );
}

/** By our own id, where the channel carried it; else one in doubt that says the same. */
function ownSend({ chat, mail }: Item, open: readonly OpenSend[]): OpenSend | null {
  const { sentAs, party } = chat!;
  const isIt = (one: OpenSend) =>
    sentAs !== null
      ? one.id === sentAs
      : one.status === 'uncertain' &&
        one.address === party.address &&
        one.content === mail.message.content;
  return open.find(isIt) ?? null;
}

async function openSends(
  { tx, channel }: IngestContext,
  items: readonly Item[],
): Promise<OpenSend[]> {
  const ids = items.flatMap(({ chat }) => chat!.sentAs ?? []);
  const addresses = items.map(({ chat }) => chat!.party.address);
  const { rows } = await sql<OpenSend>`
    select id, ticket_id, status, status = 'queued' and send_phase = 'transmitting' as under_way,
           body->'to'->0->>'address' as address, body->>'content' as content
      from messages
     where channel_id = ${channel.id} and direction = 'outbound' and status in ('queued', 'uncertain')
       and body->'to'->0->>'address' = any(${addresses})
    union
    select id, ticket_id, status, false, body->'to'->0->>'address', body->>'content' from messages
     where channel_id = ${channel.id} and direction = 'outbound' and id = any(${ids})`.execute(tx);
  return rows;
}

/** Of one whose receipt is not written yet, whoever writes it sees the name: it has been heard of. */
async function noteSent(tx: Tx, ours: readonly OwnEcho[]): Promise<void> {
  const named = new Map(ours.toReversed().map(({ item, id }) => [id, item.chat!.vendorId]));
  const names = JSON.stringify([...named].map(([id, name]) => ({ id, name })));
  await lockMessages(tx, [...named.keys()]);
  await sql`
    update messages m
       set provider_message_id = coalesce(m.provider_message_id, n.name),
           status = case m.status when 'accepted' then 'sent' else m.status end,
           error = case m.status when 'accepted' then null else m.error end,
           receipt_due_at = null
      from jsonb_to_recordset(${names}::jsonb) as n(id text, name text)
     where m.id = n.id and (m.provider_message_id is null or m.status = 'accepted')`.execute(tx);
}

async function endDoubt(
  { tx, pending }: IngestContext,
  id: string,
  { ticket_id: ticketId }: OpenSend,
  tickets: Map<string, TicketRow>,
): Promise<void> {
  const row = await tx
    .updateTable('messages')
    .set({ status: 'sent', error: null })
    .where('id', '=', id)
    .where('status', '=', 'uncertain')
    .returning(MESSAGE_COLUMNS)
    .executeTakeFirst();
  const ticket = ticketId === null ? undefined : tickets.get(ticketId);
  if (!row || !ticket) return;
  const [message] = await presentMessages(tx, [row]);
  const [after] = await recordTicketEvents(tx, pending, [
    { ticket, events: [{ type: 'message.sent', data: { message } }] },
  ]);
  tickets.set(ticket.id, (await applyEarlyStatuses(tx, pending, row, after!)) ?? after!);
}

import { sql } from 'kysely';
import { namedMessages } from './chat-index.ts';
import { applyEarlyStatuses } from './delivery-statuses.ts';
import { mayWait, type IngestContext } from './ingest-context.ts';
import type { Item } from './ingest-item.ts';
import { settleSources } from './ingest-sources.ts';
import { MESSAGE_COLUMNS, presentMessages } from './messages.ts';
import { recordTicketEvents } from './ticket-changes.ts';
import { lockTickets } from './tickets.ts';

/** A message of ours that may be the one which an echo repeats. */
interface OpenSend {
  readonly id: string;
  readonly status: string;
  readonly under_way: boolean;
  readonly address: string | null;
  readonly content: string;
}

/**
 * Leaves out what we sent ourselves, known by its own id or the vendor's. While a message to the same person is on its
 * way, nobody can tell whether it is that one: then the echo waits. Asked in this order, a receipt that is written
 * meanwhile is seen by the second look.
 */
export async function withoutOwnSends(
  context: IngestContext,
  items: readonly Item[],
): Promise<Item[]> {
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
  for (const echo of ours) await adopt(context, echo);
  await settleSources(
    tx,
    ours.map(({ item, id }) => ({ id: item.sourceId, status: 'filtered', message_id: id })),
  );
  return strange;
}

interface OwnEcho {
  readonly item: Item;
  readonly id: string;
  readonly open: OpenSend | null;
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
    select id, status, status = 'queued' and send_phase = 'transmitting' as under_way,
           body->'to'->0->>'address' as address, body->>'content' as content
      from messages
     where channel_id = ${channel.id} and direction = 'outbound' and status in ('queued', 'uncertain')
       and body->'to'->0->>'address' = any(${addresses})
    union
    select id, status, false, body->'to'->0->>'address', body->>'content' from messages
     where channel_id = ${channel.id} and direction = 'outbound' and id = any(${ids})`.execute(tx);
  return rows;
}

/** What came back was sent: its vendor's id is known now, and a doubt is gone. */
async function adopt({ tx, pending }: IngestContext, { item, id, open }: OwnEcho): Promise<void> {
  const { vendorId } = item.chat!;
  if (!open || vendorId === null) return;
  await sql`update messages set provider_message_id = ${vendorId}
             where id = ${id} and provider_message_id is null`.execute(tx);
  if (open.status !== 'uncertain') return;
  const { ticket_id: ticketId } = await tx
    .selectFrom('messages')
    .select('ticket_id')
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  const ticket = ticketId === null ? undefined : (await lockTickets(tx, [ticketId])).get(ticketId);
  const row = await tx
    .updateTable('messages')
    .set({ status: 'sent', error: null })
    .where('id', '=', id)
    .where('status', '=', 'uncertain')
    .returning(MESSAGE_COLUMNS)
    .executeTakeFirst();
  if (!row || !ticket) return;
  const [message] = await presentMessages(tx, [row]);
  const [after] = await recordTicketEvents(tx, pending, [
    { ticket, events: [{ type: 'message.sent', data: { message } }] },
  ]);
  await applyEarlyStatuses(tx, pending, row, after!);
}

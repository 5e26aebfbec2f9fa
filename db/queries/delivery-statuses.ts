import { sql } from 'kysely';
import { comparableMessageId } from '../../domain/mail/parse.ts';
import type { ChannelId, TenantId } from '../../domain/ids.ts';
import type { NormalizedMessage } from '../../domain/message.ts';
import type { DeliveryStatus } from '../../providers/contract.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import { insertRows } from './insert-rows.ts';
import { isTold, raiseMessages, type Said } from './message-states.ts';
import { lockMessages, type MessageRow } from './messages.ts';
import { Pending } from './outbox.ts';
import { isMark, keepMarks, markKey, marksAfter, messagesUntil } from './receipt-marks.ts';
import { lockTickets, type TicketRow } from './tickets.ts';

/** Said before our own receipt was written: kept so long, in case that it is. */
const KEPT_FOR = '3 days';

/**
 * Applies what a vendor says of messages of ours. Unknown messages, repeats and what is behind by now change nothing.
 * Returns what must reach Temporal: follow with `relay.flush`.
 */
export async function applyStatuses(
  db: Db,
  tenantId: TenantId,
  channelId: ChannelId,
  statuses: readonly DeliveryStatus[],
): Promise<Pending> {
  const pending = new Pending(tenantId);
  if (statuses.length === 0) return pending;
  const byMessage = Map.groupBy(statuses, ({ of }) => keyOf(of));
  const { found, nameless } = await inTenant(db, tenantId, (tx) =>
    findOrKeep(tx, tenantId, channelId, byMessage),
  );
  // By itself: whoever writes a receipt has the message's row before the lock on its name.
  if (nameless.size > 0) await inTenant(db, tenantId, (tx) => nameMessages(tx, nameless));
  if (found.size === 0) return pending;
  await inTenant(db, tenantId, async (tx) => {
    const tickets = await lockTickets(
      tx,
      [...found.values()].flatMap(({ ticketId, said }) =>
        // A ticket hears only of what is an event; else nobody waits for who has it in hand.
        ticketId !== null && said.some(isTold) ? [ticketId] : [],
      ),
    );
    const told = [...found].map(([messageId, { ticketId, said }]) => ({
      messageId,
      ticketId,
      ticket: ticketId === null ? null : (tickets.get(ticketId) ?? null),
      said,
    }));
    await raiseMessages(tx, pending, told);
  });
  return pending;
}

/**
 * A message was handed over a moment ago, or heard of: what its vendor had already said is applied now. Its ticket is
 * locked, and returned as it is then.
 */
export async function applyEarlyStatuses(
  tx: Tx,
  pending: Pending,
  message: MessageRow,
  ticket: TicketRow | null,
): Promise<TicketRow | null> {
  const person = chatPartner(message);
  const keys = [
    `s:${message.id}`,
    ...(message.provider_message_id ? [`p:${message.provider_message_id}`] : []),
    ...(message.message_id ? [`m:${message.message_id}`] : []),
    ...(person === null ? [] : [markKey(person)]),
  ];
  await lockKeys(tx, message.channel_id, keys);
  const rows = await tx
    .deleteFrom('early_statuses')
    .where('channel_id', '=', message.channel_id)
    .where('message', 'in', keys)
    .where('message', 'not like', markKey('%'))
    .returning(['status', 'recipient', 'code', 'detail'])
    .execute();
  const said = rows.map(({ status, recipient, code, detail }) => ({
    status: status as Said['status'], // written from one
    recipient: recipient || undefined,
    code: code ?? undefined,
    detail: detail ?? undefined,
  }));
  const marked = person === null ? [] : await marksAfter(tx, message, person);
  const told = { messageId: message.id, ticket, said: [...said, ...marked] };
  const heard = await raiseMessages(tx, pending, [told]);
  return (ticket && heard.get(ticket.id)) ?? ticket;
}

/** Who it went to, where that is no mail address: of such alone vendors speak by marks in time. */
function chatPartner({ body }: MessageRow): string | null {
  const [to] = (body as unknown as Pick<NormalizedMessage, 'to'>).to; // the column's own form
  return to && !to.address.includes('@') ? to.address : null;
}

/** What vendors said of messages that were never ours. */
export async function sweepEarlyStatuses(db: Db, tenantId: TenantId): Promise<void> {
  await inTenant(db, tenantId, (tx) =>
    sql`delete from early_statuses
         where tenant_id = ${tenantId} and created_at < now() - ${KEPT_FOR}::interval`.execute(tx),
  );
}

interface Found {
  readonly ticketId: string | null;
  readonly said: Said[];
}

/**
 * Finds the messages; what is said of one that is not there, or not handed over yet, is kept for its receipt. The lock
 * on its name keeps a receipt from being written in between.
 */
async function findOrKeep(
  tx: Tx,
  tenantId: TenantId,
  channelId: ChannelId,
  byMessage: ReadonlyMap<string, readonly DeliveryStatus[]>,
): Promise<{ found: Map<string, Found>; nameless: Map<string, string> }> {
  await lockKeys(tx, channelId, [...byMessage.keys()]);
  const found = new Map<string, Found>();
  const nameless = new Map<string, string>();
  const say = (id: string, ticketId: string | null, said: readonly Said[]) =>
    found.set(id, { ticketId, said: [...(found.get(id)?.said ?? []), ...said] });
  const statuses = [...byMessage.values()].flat();
  const marks = statuses.filter(isMark);
  for (const { id, ticket_id: ticketId, status } of await messagesUntil(tx, channelId, marks))
    say(id, ticketId, [{ status }]);
  await keepMarks(tx, tenantId, channelId, marks);
  const messages = await findMessages(tx, tenantId, channelId, [...byMessage.keys()]);
  const early: { message: string; status: DeliveryStatus }[] = [];
  for (const [key, of] of byMessage) {
    if (of.some(isMark)) continue;
    const message = messages.get(key);
    const name = vendorIdIn(of);
    if (message?.provider_message_id === null && name !== undefined) nameless.set(message.id, name);
    if (message && message.status !== 'queued') say(message.id, message.ticket_id, of);
    else early.push(...of.map((status) => ({ message: key, status })));
  }
  await keep(tx, tenantId, channelId, early);
  return { found, nameless };
}

interface SentMessage {
  readonly id: string;
  readonly ticket_id: string | null;
  readonly status: string;
  readonly provider_message_id: string | null;
}

/** By the keys that they are spoken of with. */
async function findMessages(
  tx: Tx,
  tenantId: TenantId,
  channelId: ChannelId,
  keys: readonly string[],
): Promise<Map<string, SentMessage>> {
  const named = (kind: string) =>
    keys.flatMap((key) => (key.startsWith(kind) ? [key.slice(kind.length)] : []));
  const [own, vendors, mails] = [named('s:'), named('p:'), named('m:')];
  const { rows } = await sql<SentMessage & { key: string }>`
    select 's:' || id as key, id, ticket_id, status, provider_message_id from messages
     where id = any(${own}) and channel_id = ${channelId} and direction = 'outbound'
    union all
    select 'p:' || provider_message_id, id, ticket_id, status, provider_message_id from messages
     where provider_message_id = any(${vendors}) and channel_id = ${channelId} and direction = 'outbound'
    union all
    select 'm:' || message_id, id, ticket_id, status, provider_message_id from messages
     where message_id = any(${mails}) and tenant_id = ${tenantId} and direction = 'outbound'`.execute(
    tx,
  );
  return new Map(rows.map(({ key, ...message }) => [key, message]));
}

/** Where our own id came back beside the vendor's. */
function vendorIdIn(statuses: readonly DeliveryStatus[]): string | undefined {
  return statuses.flatMap(({ of }) => ('sentAs' in of ? of.providerMessageId : []))[0];
}

/** The vendor's ids of messages whose receipts were lost, or are not written yet. */
async function nameMessages(tx: Tx, nameless: ReadonlyMap<string, string>): Promise<void> {
  const names = JSON.stringify([...nameless].map(([id, name]) => ({ id, name })));
  await lockMessages(tx, [...nameless.keys()]);
  await sql`
    update messages m set provider_message_id = n.name
      from jsonb_to_recordset(${names}::jsonb) as n(id text, name text)
     where m.id = n.id and m.provider_message_id is null`.execute(tx);
}

async function keep(
  tx: Tx,
  tenantId: TenantId,
  channelId: ChannelId,
  early: readonly { readonly message: string; readonly status: DeliveryStatus }[],
): Promise<void> {
  await insertRows(
    tx,
    'early_statuses',
    early.map(
      ({ message, status: { status, recipient = '', code = null, detail = null, at } }) => ({
        tenant_id: tenantId,
        channel_id: channelId,
        message,
        status,
        recipient,
        code,
        detail,
        at,
      }),
    ),
    sql`on conflict do nothing`,
  );
}

/** One after the other, in the same order for all. */
async function lockKeys(tx: Tx, channelId: string, keys: readonly string[]): Promise<void> {
  const names = keys.map((key) => `${channelId} ${key}`);
  await sql`
    select pg_advisory_xact_lock(hashtextextended(name, 0))
      from (select unnest(${names}::text[]) as name order by name) as sorted`.execute(tx);
}

function keyOf(of: DeliveryStatus['of']): string {
  if ('sentTo' in of) return markKey(of.sentTo);
  if ('messageId' in of) return `m:${comparableMessageId(of.messageId.replaceAll(/[<>\s]/g, ''))}`;
  return of.sentAs === undefined ? `p:${of.providerMessageId}` : `s:${of.sentAs}`;
}

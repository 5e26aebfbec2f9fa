import { sql } from 'kysely';
import { comparableMessageId } from '../../domain/mail/parse.ts';
import type { EventType } from '../../domain/events.ts';
import type { ChannelId, TenantId } from '../../domain/ids.ts';
import type { NormalizedMessage } from '../../domain/message.ts';
import type { DeliveryStatus } from '../../providers/contract.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import { markUndeliverable } from './bounces.ts';
import { addressKey } from './known-contacts.ts';
import { MESSAGE_COLUMNS, presentMessages, type MessageRow } from './messages.ts';
import { Pending } from './outbox.ts';
import { isMark, keepMark, markKey, marksAfter, messagesUntil } from './receipt-marks.ts';
import { recordTicketEvents } from './ticket-changes.ts';
import { lockTickets, type TicketRow } from './tickets.ts';

/** Said before our own receipt was written: kept so long, in case that it is. */
const KEPT_FOR = '3 days';

/**
 * A later state stands above an earlier one, and trouble above success: so it is the same in whatever order, and how
 * often, a vendor tells it. Of a message to several people, one lost copy is what shows.
 */
const RANK: Readonly<Record<string, number>> = {
  accepted: 1,
  uncertain: 2,
  sent: 3,
  delivered: 4,
  read: 5,
  failed: 6,
  bounced: 7,
  complained: 8,
};

const EVENT: Readonly<Record<DeliveryStatus['status'], EventType | null>> = {
  sent: null,
  delivered: 'message.delivered',
  read: 'message.read',
  failed: 'message.failed',
  bounced: 'message.bounced',
  complained: 'message.complained',
};

type Said = Pick<DeliveryStatus, 'status' | 'recipient' | 'detail'>;

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
        ticketId !== null && said.some(({ status }) => EVENT[status] !== null) ? [ticketId] : [],
      ),
    );
    for (const [messageId, { ticketId, said }] of found) {
      const ticket = ticketId === null ? null : (tickets.get(ticketId) ?? null);
      const after = await raise(tx, pending, messageId, ticket, said);
      if (after) tickets.set(after.id, after);
    }
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
    .returning(['status', 'recipient', 'detail'])
    .execute();
  const said = rows.map(({ status, recipient, detail }) => ({
    status: status as Said['status'], // written from one
    recipient: recipient || undefined,
    detail: detail ?? undefined,
  }));
  const marked = person === null ? [] : await marksAfter(tx, message, person);
  return raise(tx, pending, message.id, ticket, [...said, ...marked]);
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
  for (const [key, statuses] of byMessage) {
    const marks = statuses.filter(isMark);
    for (const mark of marks) {
      for (const { id, ticket_id: ticketId } of await messagesUntil(tx, channelId, mark))
        say(id, ticketId, [mark]);
      await keepMark(tx, tenantId, channelId, mark);
    }
    if (marks.length > 0) continue;
    const message = await findMessage(tx, tenantId, channelId, key);
    const name = vendorIdIn(statuses);
    if (message?.provider_message_id === null && name !== undefined) nameless.set(message.id, name);
    if (message && message.status !== 'queued') say(message.id, message.ticket_id, statuses);
    else await keep(tx, tenantId, channelId, key, statuses);
  }
  return { found, nameless };
}

async function findMessage(tx: Tx, tenantId: TenantId, channelId: ChannelId, key: string) {
  const [kind, id] = [key.slice(0, 1), key.slice(2)];
  return tx
    .selectFrom('messages')
    .select(['id', 'ticket_id', 'status', 'provider_message_id'])
    .where('tenant_id', '=', tenantId)
    .where('direction', '=', 'outbound')
    .$if(kind === 's', (query) => query.where('channel_id', '=', channelId).where('id', '=', id))
    .$if(kind === 'p', (query) =>
      query.where('channel_id', '=', channelId).where('provider_message_id', '=', id),
    )
    .$if(kind === 'm', (query) => query.where('message_id', '=', id))
    .executeTakeFirst();
}

/** Where our own id came back beside the vendor's. */
function vendorIdIn(statuses: readonly DeliveryStatus[]): string | undefined {
  return statuses.flatMap(({ of }) => ('sentAs' in of ? of.providerMessageId : []))[0];
}

/** The vendor's ids of messages whose receipts were lost, or are not written yet. */
async function nameMessages(tx: Tx, nameless: ReadonlyMap<string, string>): Promise<void> {
  const names = JSON.stringify([...nameless].map(([id, name]) => ({ id, name })));
  await sql`
    update messages m set provider_message_id = n.name
      from jsonb_to_recordset(${names}::jsonb) as n(id text, name text)
     where m.id = n.id and m.provider_message_id is null`.execute(tx);
}

async function keep(
  tx: Tx,
  tenantId: TenantId,
  channelId: ChannelId,
  message: string,
  statuses: readonly DeliveryStatus[],
): Promise<void> {
  await tx
    .insertInto('early_statuses')
    .values(
      statuses.map(({ status, recipient = '', detail = null, at }) => ({
        tenant_id: tenantId,
        channel_id: channelId,
        message,
        status,
        recipient,
        detail,
        at,
      })),
    )
    .onConflict((oc) => oc.doNothing())
    .execute();
}

/** Raises one message through what is said of it; each step that counts is an event. Returns its ticket as it is now. */
async function raise(
  tx: Tx,
  pending: Pending,
  messageId: string,
  ticket: TicketRow | null,
  said: readonly Said[],
): Promise<TicketRow | null> {
  let locked = ticket;
  for (const one of said.toSorted((a, b) => RANK[a.status]! - RANK[b.status]!)) {
    const below = Object.keys(RANK).filter((status) => RANK[status]! < RANK[one.status]!);
    const error = { code: `delivery.${one.status}`, detail: clean(one.detail) ?? one.status };
    const row = await tx
      .updateTable('messages')
      .set({
        status: one.status,
        error: RANK[one.status]! >= RANK['failed']! ? JSON.stringify(error) : null,
        receipt_due_at: null,
      })
      .where('id', '=', messageId)
      .where('status', 'in', below)
      .returning(MESSAGE_COLUMNS)
      .executeTakeFirst();
    if (one.status === 'bounced') await noteUndeliverable(tx, pending.tenantId, messageId, one);
    if (!row) continue;
    const type = EVENT[one.status];
    if (type === null || locked === null) continue;
    const [message] = await presentMessages(tx, [row]);
    const isTrouble = RANK[one.status]! >= RANK['failed']!;
    const data = isTrouble ? { message, error } : { message };
    const [after] = await recordTicketEvents(tx, pending, [
      { ticket: locked, events: [{ type, data }] },
    ]);
    locked = after!;
  }
  return locked;
}

/** Only an address that the message went to: a vendor's word of others is no business of ours. */
async function noteUndeliverable(
  tx: Tx,
  tenantId: TenantId,
  messageId: string,
  { recipient }: Said,
): Promise<void> {
  const { body } = await tx
    .selectFrom('messages')
    .select('body')
    .where('id', '=', messageId)
    .executeTakeFirstOrThrow();
  const { to, cc } = body as unknown as Pick<NormalizedMessage, 'to' | 'cc'>; // the column's own form
  const written = [...to, ...cc].map(({ address }) => addressKey(address));
  const lost =
    recipient === undefined
      ? written.length === 1
        ? written[0]
        : undefined
      : addressKey(recipient);
  if (lost !== undefined && written.includes(lost)) await markUndeliverable(tx, tenantId, [lost]);
}

async function lockKeys(tx: Tx, channelId: string, keys: readonly string[]): Promise<void> {
  for (const key of keys.toSorted())
    await sql`select pg_advisory_xact_lock(hashtextextended(${`${channelId} ${key}`}, 0))`.execute(
      tx,
    );
}

function keyOf(of: DeliveryStatus['of']): string {
  if ('sentTo' in of) return markKey(of.sentTo);
  if ('messageId' in of) return `m:${comparableMessageId(of.messageId.replaceAll(/[<>\s]/g, ''))}`;
  return of.sentAs === undefined ? `p:${of.providerMessageId}` : `s:${of.sentAs}`;
}

function clean(detail: string | undefined): string | undefined {
  return detail?.replaceAll('\0', '').slice(0, 1000);
}

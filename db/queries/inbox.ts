import { sql, type SelectQueryBuilder } from 'kysely';
import type { TenantId } from '../../domain/ids.ts';
import type { Message } from '../../domain/message.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import type { Database } from '../schema.ts';
import { MESSAGE_COLUMNS, presentMessages, type MessageRow } from './messages.ts';

export interface MessageFilter {
  /** A provider's name. */
  readonly channel?: string;
  readonly account_id?: string;
  readonly ticket_id?: string;
  readonly contact_id?: string;
  readonly source_id?: string;
  readonly status?: readonly string[];
  readonly direction?: string;
  /** Of the message's own time, RFC 3339; `until` is not included. */
  readonly since?: string;
  readonly until?: string;
}

export interface MessagePage {
  /** Time and id of the last one shown. */
  readonly after: readonly [string, string] | null;
  readonly limit: number;
  /** `desc`: newest first. */
  readonly order: 'asc' | 'desc';
}

/** Messages by their own time, the id deciding between those of one instant. */
export async function listMessages(
  db: Db,
  tenantId: TenantId,
  filter: MessageFilter,
  page: MessagePage,
): Promise<Message[]> {
  return inTenant(db, tenantId, async (tx) => {
    const scope = { tx, tenantId, filter, page };
    const channels = filter.channel === undefined ? null : await channelsOf(scope, filter.channel);
    if (filter.contact_id !== undefined)
      return presentMessages(tx, await ofContact(scope, filter.contact_id, channels));
    const one = filter.account_id ?? (channels?.length === 1 ? channels[0] : undefined);
    if (channels !== null && one === undefined)
      return presentMessages(tx, await ofChannels(scope, channels));
    let query = matching(scope);
    if (one !== undefined) query = query.where('channel_id', '=', one);
    // With an account named too, the provider only says whether the two fit.
    if (channels !== null) query = query.where(sql<boolean>`channel_id = any(${channels})`);
    return presentMessages(tx, await paged(query, page).select(MESSAGE_COLUMNS).execute());
  });
}

interface Scope {
  readonly tx: Tx;
  readonly tenantId: TenantId;
  readonly filter: MessageFilter;
  readonly page: MessagePage;
}

/** What the filter wants, channels and contact apart, from behind the page before. */
function matching({ tx, tenantId, filter, page: { after, order } }: Scope) {
  let query = tx.selectFrom('messages').where('tenant_id', '=', tenantId);
  if (filter.ticket_id) query = query.where('ticket_id', '=', filter.ticket_id);
  if (filter.source_id)
    query = query
      .where('source_id', '=', filter.source_id)
      .where('id', '=', (eb) =>
        eb.selectFrom('sources').select('message_id').where('id', '=', filter.source_id!),
      );
  if (filter.status?.length) query = query.where('status', 'in', [...filter.status]);
  if (filter.direction)
    query = query.where('direction', '=', filter.direction as MessageRow['direction']);
  if (filter.since) query = query.where('timestamp', '>=', new Date(filter.since));
  if (filter.until) query = query.where('timestamp', '<', new Date(filter.until));
  if (!after) return query;
  const place = sql`(${after[0]}::timestamptz, ${after[1]}::text)`;
  return query.where(
    order === 'asc'
      ? sql<boolean>`(timestamp, id) > ${place}`
      : sql<boolean>`(timestamp, id) < ${place}`,
  );
}

function paged(query: ReturnType<typeof matching>, { order, limit }: MessagePage) {
  return query.orderBy('timestamp', order).orderBy('id', order).limit(limit);
}

async function channelsOf({ tx, tenantId }: Scope, provider: string): Promise<string[]> {
  const rows = await tx
    .selectFrom('channels')
    .select('id')
    .where('tenant_id', '=', tenantId)
    .where('provider', '=', provider)
    .execute();
  return rows.map(({ id }) => id);
}

/** A page of each channel by its own index, then the first of them all: a quiet channel costs no walk through the others. */
async function ofChannels(scope: Scope, channels: readonly string[]): Promise<MessageRow[]> {
  const { tx, page } = scope;
  const ofOne = paged(
    matching(scope).whereRef('channel_id', '=', sql.ref('wanted.channel_id')),
    page,
  ).select(['id', 'timestamp']);
  const { rows } = await sql<{ id: string }>`
    select page.id from unnest(${channels}::text[]) as wanted(channel_id) cross join lateral ${ofOne} page
     order by page.timestamp ${sql.raw(page.order)}, page.id ${sql.raw(page.order)} limit ${page.limit}`.execute(
    tx,
  );
  return inOrder(tx, rows);
}

async function ofContact(
  scope: Scope,
  contactId: string,
  channels: readonly string[] | null,
): Promise<MessageRow[]> {
  const { tx, filter, page } = scope;
  const places = () => {
    let query = matching(scope).select(['id', 'timestamp']);
    if (filter.account_id) query = query.where('channel_id', '=', filter.account_id);
    if (channels) query = query.where(sql<boolean>`channel_id = any(${channels})`);
    return query;
  };
  const rows = await tx
    .selectFrom(theirs(tx, contactId, await addressesOf(tx, contactId), places).as('theirs'))
    .select('id')
    .orderBy('timestamp', page.order)
    .orderBy('id', page.order)
    .limit(page.limit)
    .execute();
  return inOrder(tx, rows);
}

type Places = () => SelectQueryBuilder<Database, 'messages', { id: string; timestamp: Date }>;

/**
 * One person's messages: all of their own tickets, those of others' tickets that they wrote or got, and what belongs to
 * no ticket.
 */
function theirs(tx: Tx, contactId: string, addresses: readonly string[], places: Places) {
  const own = places().where('ticket_id', 'in', (eb) =>
    eb.selectFrom('tickets').select('tickets.id').where('requester_id', '=', contactId),
  );
  const besides = places().where('ticket_id', 'in', (eb) =>
    eb
      .selectFrom('ticket_participants')
      .select('ticket_participants.ticket_id')
      .where('contact_id', '=', contactId),
  ).where(sql<boolean>`(lower(body->>'from') = any(${addresses}) or exists (
      select from jsonb_array_elements((body->'to') || (body->'cc')) person
       where lower(person->>'address') = any(${addresses})))`);
  const loose = places()
    .where('ticket_id', 'is', null)
    .where(sql<boolean>`other_end = any(${addresses})`);
  return own.union(besides).union(loose);
}

export interface Talk {
  readonly channelId: string;
  readonly accountName: string;
  readonly provider: string;
  readonly address: string;
  readonly lastMessage: Message | null;
}

/** Where a contact talks with us: each channel and address of theirs, the one last heard of first. */
export async function talksOfContact(
  tx: Tx,
  tenantId: TenantId,
  contactId: string,
): Promise<Talk[]> {
  const addresses = await addressesOf(tx, contactId);
  const places = () =>
    tx
      .selectFrom('messages')
      .where('tenant_id', '=', tenantId)
      .where('direction', '<>', 'internal')
      .select(['id', 'timestamp']);
  const said = theirs(tx, contactId, addresses, places);
  const { rows } = await sql<Omit<Talk, 'lastMessage'> & { id: string | null }>`
    with latest as (
      select distinct on (channel_id, other_end) channel_id, other_end, m.id, m.timestamp,
             case direction when 'inbound' then body->>'from' else body#>>'{to,0,address}' end as address
        from messages m join (${said}) said using (id)
       where other_end = any(${addresses})
       order by channel_id, other_end, m.timestamp desc, m.id desc)
    select channels.id as "channelId", channels.name as "accountName", provider,
           coalesce(c.address, latest.address) as address, latest.id
      from latest full join (select * from conversations where contact_id = ${contactId}) c
           on c.channel_id = latest.channel_id and c.folded_address = latest.other_end
      join channels on channels.id = coalesce(c.channel_id, latest.channel_id)
     order by coalesce(latest.timestamp, c.last_inbound_at, c.updated_at) desc, 1, 4`.execute(tx);
  const messages = await presentMessages(
    tx,
    await inOrder(
      tx,
      rows.flatMap(({ id }) => (id === null ? [] : { id })),
    ),
  );
  const byId = new Map(messages.map((message) => [message.id, message]));
  return rows.map(({ id, ...talk }) => ({
    ...talk,
    lastMessage: id === null ? null : (byId.get(id) ?? null),
  }));
}

/** In lower case, as contacts keep them. */
async function addressesOf(tx: Tx, contactId: string): Promise<string[]> {
  const rows = await tx
    .selectFrom('contact_addresses')
    .select('address')
    .where('contact_id', '=', contactId)
    .execute();
  return rows.map(({ address }) => address);
}

async function inOrder(tx: Tx, places: readonly { id: string }[]): Promise<MessageRow[]> {
  if (places.length === 0) return [];
  const ids = places.map(({ id }) => id);
  const rows = await tx
    .selectFrom('messages')
    .select(MESSAGE_COLUMNS)
    .where('id', 'in', ids)
    .execute();
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.flatMap((id) => byId.get(id) ?? []);
}

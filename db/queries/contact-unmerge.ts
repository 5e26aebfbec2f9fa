import { sql } from 'kysely';
import type { ContactId, TenantId } from '../../domain/ids.ts';
import type { Tx } from '../connection.ts';
import type { Actor } from '../schema.ts';
import { insertAudit } from './audit.ts';
import { contactIdOf } from './contacts.ts';
import { writeEvents } from './events.ts';
import { lockIngestion } from './ingestion-lock.ts';
import type { Pending } from './outbox.ts';
import { loadContacts } from './ticket-presentation.ts';

export interface Unmerge {
  /** Who stays, by any id that leads there. */
  readonly from: string;
  /** Who is to be somebody of their own again. */
  readonly other: string;
  readonly actor: Actor;
  readonly reason: string;
}

/** `apart`: they are two, by this or before. The rest says why nothing was done. */
export type Unmerged =
  | { readonly outcome: 'apart'; readonly contactId: ContactId }
  | { readonly outcome: 'unknown' | 'same' | 'elsewhere' | 'unrecorded' | 'addresses_gone' };

/** A merge, as the audit trail has it. */
interface Recorded {
  readonly at: Date;
  readonly addresses: readonly string[];
  /** Of the one that stays, where it had none and took the other's. */
  readonly name: string | null;
  readonly timeZone: string | null;
}

/** Of an entry `a`: whose contact or ticket became another's; as the index of merges has it. */
const MERGED_FROM = sql.raw<string>(
  `coalesce(a.changes#>>'{contact_id,0}', a.changes#>>'{requester_id,0}')`,
);

interface Pair {
  readonly kept: string;
  readonly gone: string;
  readonly addresses: readonly string[];
}

/**
 * Undoes a merge in the caller's transaction, by what the audit trail has of it: the addresses that came with the other
 * go back as far as the one that stays still has them, with their conversations, the tickets that were the other's and
 * those begun through these addresses since. Follow with `relay.flush(pending)`.
 */
export async function unmergeContacts(
  tx: Tx,
  pending: Pending,
  tenantId: TenantId,
  { from, other, actor, reason }: Unmerge,
): Promise<Unmerged> {
  await lockIngestion(tx, tenantId);
  const [kept, current] = [await contactIdOf(tx, from), await contactIdOf(tx, other)];
  if (kept === null || current === null) return { outcome: 'unknown' };
  if (kept === other) return { outcome: 'same' };
  if (current === other) return { outcome: 'apart', contactId: current };
  if (current !== kept) return { outcome: 'elsewhere' };
  const recorded = await latestMerge(tx, tenantId, other);
  if (!recorded) return { outcome: 'unrecorded' };
  const addresses = await addressesStillAt(tx, kept, recorded.addresses);
  if (addresses.length === 0 && recorded.addresses.length > 0) return { outcome: 'addresses_gone' };
  const pair: Pair = { kept, gone: other, addresses };
  // Tickets before contacts, as every writer locks them.
  const tickets = await moveTickets(tx, tenantId, pair, recorded);
  await lockBoth(tx, pair);
  await moveAddresses(tx, pair);
  await partParticipants(tx, pair, tickets);
  await unfold(tx, pair, recorded);
  await leadBack(tx, tenantId, pair);
  await audit(tx, tenantId, pair, tickets, { actor, reason });
  await announce(tx, pending, pair, tickets);
  return { outcome: 'apart', contactId: other as ContactId };
}

async function latestMerge(tx: Tx, tenantId: TenantId, gone: string): Promise<Recorded | null> {
  const { rows } = await sql<{ at: Date; changes: Record<string, [unknown, unknown]> }>`
    select a.at, a.changes from audit a
     where a.tenant_id = ${tenantId} and a.action = 'contact.merged' and a.ticket_id is null
       and ${MERGED_FROM} = ${gone}
     order by a.at desc, a.id desc limit 1`.execute(tx);
  const [row] = rows;
  if (!row) return null;
  const { addresses, name, time_zone: timeZone } = row.changes;
  return {
    at: row.at,
    addresses: (addresses?.[0] ?? []) as string[], // as mergeContacts wrote them
    name: (name?.[1] ?? null) as string | null,
    timeZone: (timeZone?.[1] ?? null) as string | null,
  };
}

async function addressesStillAt(
  tx: Tx,
  kept: string,
  recorded: readonly string[],
): Promise<string[]> {
  const rows = await tx
    .selectFrom('contact_addresses')
    .select('address')
    .where('contact_id', '=', kept)
    .where(sql<boolean>`address = any(${recorded})`)
    .orderBy('address')
    .execute();
  return rows.map(({ address }) => address);
}

/** Returns their ids. What callers have read of them is of an older version now. */
async function moveTickets(
  tx: Tx,
  tenantId: TenantId,
  { kept, gone, addresses }: Pair,
  { at }: Recorded,
): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select t.id from tickets t
     where t.tenant_id = ${tenantId} and t.requester_id = ${kept}
       and (exists (
             select from audit a
              where a.tenant_id = ${tenantId} and a.action = 'contact.merged' and a.ticket_id = t.id
                and ${MERGED_FROM} = ${gone})
         or (t.created_at >= ${at} and (
             select coalesce(lower(m.routing#>>'{requester,address}'), m.other_end)
               from messages m
              where m.ticket_id = t.id and m.direction <> 'internal'
              order by m.timestamp, m.id limit 1) = any(${addresses})))
     order by t.id
       for update of t`.execute(tx);
  const ids = rows.map(({ id }) => id);
  if (ids.length > 0)
    await tx
      .updateTable('tickets')
      .set({ requester_id: gone, version: sql`version + 1` })
      .where(sql<boolean>`id = any(${ids})`)
      .execute();
  return ids;
}

async function lockBoth(tx: Tx, { kept, gone }: Pair): Promise<void> {
  await tx
    .selectFrom('contacts')
    .select('id')
    .where('id', 'in', [kept, gone])
    .orderBy('id')
    .forNoKeyUpdate()
    .execute();
}

/** With the conversations that are led by them. */
async function moveAddresses(tx: Tx, { kept, gone, addresses }: Pair): Promise<void> {
  await tx
    .updateTable('contact_addresses')
    .set({ contact_id: gone })
    .where('contact_id', '=', kept)
    .where(sql<boolean>`address = any(${addresses})`)
    .execute();
  await tx
    .updateTable('conversations')
    .set({ contact_id: gone })
    .where('contact_id', '=', kept)
    .where(sql<boolean>`folded_address = any(${addresses})`)
    .execute();
}

/** Who wrote or got a message of a ticket takes part in it: either, or both. Whom no message names stays as they are. */
async function partParticipants(
  tx: Tx,
  { kept, gone, addresses }: Pair,
  tickets: readonly string[],
): Promise<void> {
  await sql`
    with named as (
      select p.tenant_id, p.ticket_id,
             p.ticket_id = any(${tickets}) or coalesce(bool_or(people.address = any(${addresses})), false) as theirs,
             coalesce(bool_or(own.address is not null), false) as ours
        from ticket_participants p
        left join messages m on m.ticket_id = p.ticket_id and m.direction <> 'internal'
        left join lateral (
             select lower(m.body->>'from') as address
             union all select lower(m.routing#>>'{requester,address}')
             union all select lower(entry->>'address') from jsonb_array_elements(m.body->'to') entry
             union all select lower(entry->>'address') from jsonb_array_elements(m.body->'cc') entry
           ) people on true
        left join contact_addresses own on own.contact_id = ${kept} and own.address = people.address
       where p.contact_id = ${kept}
       group by p.tenant_id, p.ticket_id
    ), parted as (select * from named where theirs
    ), left_alone as (
      delete from ticket_participants p using parted
       where p.ticket_id = parted.ticket_id and p.contact_id = ${kept} and not parted.ours
    )
    insert into ticket_participants (tenant_id, ticket_id, contact_id)
    select tenant_id, ticket_id, ${gone} from parted on conflict do nothing`.execute(tx);
}

/** What the one that stays took over for want of its own goes, unless it was changed since. */
async function unfold(
  tx: Tx,
  { kept, gone, addresses }: Pair,
  { name, timeZone }: Recorded,
): Promise<void> {
  await sql`
    update contacts c set merged_into = null, merged_at = null,
      undeliverable = array(select address from unnest(k.undeliverable) address
                             where address = any(${addresses}) order by 1)
      from contacts k where c.id = ${gone} and k.id = ${kept}`.execute(tx);
  await sql`
    update contacts set
      name = case when name = ${name}::text then null else name end,
      time_zone = case when time_zone = ${timeZone}::text then null else time_zone end,
      undeliverable = array(select address from unnest(undeliverable) address
                             where address <> all(${addresses}) order by 1)
     where id = ${kept}`.execute(tx);
}

/** Ids of contacts that had become the other before lead there again. */
async function leadBack(tx: Tx, tenantId: TenantId, { kept, gone }: Pair): Promise<void> {
  await sql`
    with recursive latest as (
      select c.id as gone, (
             select a.changes#>>'{contact_id,1}' from audit a
              where a.tenant_id = ${tenantId} and a.action = 'contact.merged' and a.ticket_id is null
                and ${MERGED_FROM} = c.id
              order by a.at desc, a.id desc limit 1) as kept
        from contacts c where c.merged_into = ${kept}
    ), under as (
      select gone from latest where kept = ${gone}
      union select l.gone from latest l join under u on l.kept = u.gone
    )
    update contacts set merged_into = ${gone} where id in (select gone from under)`.execute(tx);
}

async function audit(
  tx: Tx,
  tenantId: TenantId,
  { kept, gone, addresses }: Pair,
  tickets: readonly string[],
  by: Pick<Unmerge, 'actor' | 'reason'>,
): Promise<void> {
  const entry = { tenantId, ...by, action: 'contact.unmerged', at: new Date() };
  await insertAudit(tx, [
    { ...entry, ticketId: null, changes: { contact_id: [kept, gone], addresses: [[], addresses] } },
    ...tickets.map((ticketId) => ({
      ...entry,
      ticketId,
      changes: { requester_id: [kept, gone] as [string, string] },
    })),
  ]);
}

async function announce(
  tx: Tx,
  pending: Pending,
  { kept, gone }: Pair,
  tickets: readonly string[],
): Promise<void> {
  const contacts = await loadContacts(tx, [kept, gone]);
  await writeEvents(tx, pending, [
    {
      type: 'contact.unmerged',
      ticketId: null,
      sequence: null,
      data: {
        contact: contacts.get(kept),
        unmerged: { contact: contacts.get(gone), ticket_ids: tickets },
      },
    },
  ]);
}

import { sql } from 'kysely';
import type { ContactId, TenantId } from '../../domain/ids.ts';
import type { Tx } from '../connection.ts';
import type { Actor } from '../schema.ts';
import { insertAudit } from './audit.ts';
import { contactIdOf, lockContact } from './contacts.ts';
import { writeEvents } from './events.ts';
import { lockIngestion } from './ingestion-lock.ts';
import type { Pending } from './outbox.ts';
import { loadContacts } from './ticket-presentation.ts';

export interface Merge {
  /** Who stays. */
  readonly into: string;
  readonly other: string;
  /** Who says that they are one person, and what they go by. */
  readonly actor: Actor;
  readonly reason: string;
}

/**
 * Makes two contacts one, in the caller's transaction: tickets, participants, conversations and addresses move, and the
 * other's id leads to the one that stays. Returns that; null where one of them is unknown. Without effect where they
 * are one already. Follow with `relay.flush(pending)`.
 */
export async function mergeContacts(
  tx: Tx,
  pending: Pending,
  tenantId: TenantId,
  { into, other, actor, reason }: Merge,
): Promise<ContactId | null> {
  await lockIngestion(tx, tenantId);
  const [kept, gone] = [await contactIdOf(tx, into), await contactIdOf(tx, other)];
  if (kept === null || gone === null) return null;
  if (kept === gone) return kept;
  // Tickets before contacts, as every writer locks them.
  const tickets = await moveTickets(tx, kept, gone);
  for (const id of [kept, gone].toSorted()) await lockContact(tx, id);
  await moveParticipants(tx, kept, gone);
  const addresses = await moveAddresses(tx, kept, gone);
  const folded = await foldInto(tx, kept, gone);
  await audit(tx, tenantId, { kept, gone, tickets, addresses, folded, actor, reason });
  const contact = (await loadContacts(tx, [kept])).get(kept);
  const data = { contact, merged: { id: gone, addresses } };
  const event = { type: 'contact.merged', ticketId: null, sequence: null, data } as const;
  await writeEvents(tx, pending, [event]);
  return kept;
}

/** Returns their ids. What callers have read of them is of an older version now. */
async function moveTickets(tx: Tx, kept: string, gone: string): Promise<string[]> {
  // In the order in which every writer locks them.
  const theirs = await tx
    .selectFrom('tickets')
    .select('id')
    .where('requester_id', '=', gone)
    .orderBy('id')
    .forUpdate()
    .execute();
  const ids = theirs.map(({ id }) => id);
  if (ids.length === 0) return [];
  await tx
    .updateTable('tickets')
    .set({ requester_id: kept, version: sql`version + 1` })
    .where(sql<boolean>`id = any(${ids})`)
    .execute();
  return ids;
}

async function moveParticipants(tx: Tx, kept: string, gone: string): Promise<void> {
  await sql`
    with left_behind as (
      delete from ticket_participants where contact_id = ${gone} returning tenant_id, ticket_id)
    insert into ticket_participants (tenant_id, ticket_id, contact_id)
    select tenant_id, ticket_id, ${kept} from left_behind on conflict do nothing`.execute(tx);
}

/** With the conversations that are led by them. */
async function moveAddresses(tx: Tx, kept: string, gone: string): Promise<string[]> {
  const moved = await tx
    .updateTable('contact_addresses')
    .set({ contact_id: kept })
    .where('contact_id', '=', gone)
    .returning('address')
    .execute();
  await tx
    .updateTable('conversations')
    .set({ contact_id: kept })
    .where('contact_id', '=', gone)
    .execute();
  return moved.map(({ address }) => address).toSorted();
}

type Changes = Record<string, [unknown, unknown]>;

/** What is known of the one that stays counts; what only the other knew is kept, and returned. */
async function foldInto(tx: Tx, kept: string, gone: string): Promise<Changes> {
  const { rows } = await sql<{ name: string | null; time_zone: string | null }>`
    select case when c.name is null then o.name end as name,
           case when c.time_zone is null then o.time_zone end as time_zone
      from contacts c, contacts o where c.id = ${kept} and o.id = ${gone}`.execute(tx);
  await sql`
    update contacts c set
      name = coalesce(c.name, o.name), time_zone = coalesce(c.time_zone, o.time_zone),
      undeliverable = array(select distinct unnest(c.undeliverable || o.undeliverable) order by 1)
      from contacts o where c.id = ${kept} and o.id = ${gone}`.execute(tx);
  await tx
    .updateTable('contacts')
    .set({ merged_into: kept, merged_at: sql<Date>`coalesce(merged_at, now())` })
    .where((eb) => eb.or([eb('id', '=', gone), eb('merged_into', '=', gone)]))
    .execute();
  const taken = Object.entries(rows[0] ?? {}).filter(([, value]) => value !== null);
  return Object.fromEntries(taken.map(([field, value]) => [field, [null, value]]));
}

async function audit(
  tx: Tx,
  tenantId: TenantId,
  merged: {
    readonly kept: string;
    readonly gone: string;
    readonly tickets: readonly string[];
    readonly addresses: readonly string[];
    readonly folded: Changes;
    readonly actor: Actor;
    readonly reason: string;
  },
): Promise<void> {
  const { kept, gone, tickets, addresses, folded, actor, reason } = merged;
  const entry = { tenantId, actor, reason, action: 'contact.merged', at: new Date() };
  await insertAudit(tx, [
    {
      ...entry,
      ticketId: null,
      changes: { contact_id: [gone, kept], addresses: [addresses, []], ...folded },
    },
    ...tickets.map((ticketId) => ({
      ...entry,
      ticketId,
      changes: { requester_id: [gone, kept] as [string, string] },
    })),
  ]);
}

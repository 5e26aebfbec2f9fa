import { sql } from 'kysely';
import type { ContactId, Id, TenantId } from '../../domain/ids.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import type { Actor } from '../schema.ts';

/** A link sent to one contact's address: confirming it makes that contact one with another. */
export interface ContactLink {
  readonly id: Id<'contactLink'>;
  readonly tenantId: TenantId;
  /** Who stays. */
  readonly contactId: ContactId;
  /** Whose address it was sent to. */
  readonly otherId: ContactId;
  readonly address: string;
  /** An address of the one who stays, by which the other knows whom they are to be one with. */
  readonly shownAddress: string;
  readonly expiresAt: Date;
}

export interface StoredLink extends ContactLink {
  readonly usedAt: Date | null;
}

/** The contact that has an address, as contacts keep it. */
export async function contactAt(
  tx: Tx,
  tenantId: TenantId,
  address: string,
): Promise<ContactId | null> {
  const row = await tx
    .selectFrom('contact_addresses')
    .select('contact_id')
    .where('tenant_id', '=', tenantId)
    .where('address', '=', address)
    .executeTakeFirst();
  return (row?.contact_id as ContactId | undefined) ?? null;
}

/** A repeat with the same id finds the first one. */
export async function insertContactLink(
  tx: Tx,
  link: ContactLink,
  actor: Actor,
): Promise<StoredLink> {
  await tx
    .insertInto('contact_links')
    .values({
      id: link.id,
      tenant_id: link.tenantId,
      contact_id: link.contactId,
      other_id: link.otherId,
      address: link.address,
      shown_address: link.shownAddress,
      actor: JSON.stringify(actor),
      expires_at: link.expiresAt,
    })
    .onConflict((oc) => oc.doNothing())
    .execute();
  return (await findLink(tx, link.id))!;
}

/** Reads a link; nothing about it changes. */
export async function readContactLink(
  db: Db,
  tenantId: TenantId,
  id: string,
): Promise<StoredLink | null> {
  return inTenant(db, tenantId, (tx) => findLink(tx, id));
}

/**
 * Uses a link up in the caller's transaction; null where it is too old, was used, or is of contacts that are not as they
 * were when it was made. Of several at once one gets it.
 */
export async function takeContactLink(tx: Tx, id: string): Promise<StoredLink | null> {
  const { rows } = await sql<{ id: string }>`
    update contact_links l set used_at = now()
      from contact_addresses a, contacts c
     where l.id = ${id} and l.used_at is null and l.expires_at > now()
       and a.tenant_id = l.tenant_id and a.address = l.address and a.contact_id = l.other_id
       and c.id = l.contact_id and c.merged_into is null
    returning l.id`.execute(tx);
  return rows.length === 0 ? null : findLink(tx, id);
}

async function findLink(tx: Tx, id: string): Promise<StoredLink | null> {
  const row = await tx
    .selectFrom('contact_links')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirst();
  if (!row) return null;
  return {
    id: row.id as StoredLink['id'],
    tenantId: row.tenant_id as TenantId,
    contactId: row.contact_id as ContactId,
    otherId: row.other_id as ContactId,
    address: row.address,
    shownAddress: row.shown_address,
    expiresAt: row.expires_at,
    usedAt: row.used_at,
  };
}

/** Those that nobody can use any more. */
export async function sweepContactLinks(db: Db, tenantId: TenantId): Promise<void> {
  await inTenant(db, tenantId, (tx) =>
    tx
      .deleteFrom('contact_links')
      .where('tenant_id', '=', tenantId)
      .where('expires_at', '<', sql<Date>`now() - '1 day'::interval`)
      .execute(),
  );
}

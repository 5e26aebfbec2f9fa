import { sql } from 'kysely';
import type { TenantId } from '../../domain/ids.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';

export interface ContactRow {
  readonly id: string;
  readonly name: string | null;
  readonly undeliverable: string[];
  readonly created_at: Date;
  readonly addresses: string[];
}

/** The address is another contact's. */
export class ContactAddressTaken extends Error {
  override name = 'ContactAddressTaken';
  readonly address: string;
  constructor(address: string) {
    super(`Another contact has the address ${address}.`);
    this.address = address;
  }
}

const addresses = sql<string[]>`array(
  select address from contact_addresses where contact_id = contacts.id order by address)`.as(
  'addresses',
);

export async function findContact(
  db: Db,
  tenantId: TenantId,
  id: string,
): Promise<ContactRow | null> {
  return inTenant(db, tenantId, async (tx) => (await selectContact(tx, id)) ?? null);
}

/** Oldest first. @param search part of a name, or the beginning of an address. */
export async function listContacts(
  db: Db,
  tenantId: TenantId,
  { after, limit, search }: { after: string | null; limit: number; search?: string },
): Promise<ContactRow[]> {
  const part = search?.toLowerCase().replaceAll(/[\\%_]/g, (character) => `\\${character}`);
  return inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('contacts')
      .select(['id', 'name', 'undeliverable', 'created_at', addresses])
      .where('tenant_id', '=', tenantId)
      .$if(part !== undefined, (query) =>
        query.where((eb) =>
          eb.or([
            sql<boolean>`lower(contacts.name) like ${`%${part}%`}`,
            eb.exists(
              eb
                .selectFrom('contact_addresses')
                .select('address')
                .whereRef('contact_id', '=', 'contacts.id')
                .where('address', 'like', `${part}%`),
            ),
          ]),
        ),
      )
      .$if(after !== null, (query) => query.where('id', '>', after!))
      .orderBy('id')
      .limit(limit)
      .execute(),
  );
}

/** Addresses (lower case), where given, replace those before. @throws ContactAddressTaken */
export async function updateContact(
  db: Db,
  tenantId: TenantId,
  id: string,
  changes: { name?: string | null; addresses?: readonly string[] },
): Promise<ContactRow | null> {
  return inTenant(db, tenantId, async (tx) => {
    const found = await tx
      .selectFrom('contacts')
      .select('id')
      .where('id', '=', id)
      .forUpdate()
      .executeTakeFirst();
    if (!found) return null;
    if (changes.name !== undefined)
      await tx.updateTable('contacts').set({ name: changes.name }).where('id', '=', id).execute();
    if (changes.addresses) await setAddresses(tx, tenantId, id, changes.addresses);
    return (await selectContact(tx, id))!;
  });
}

async function setAddresses(
  tx: Tx,
  tenantId: TenantId,
  id: string,
  wanted: readonly string[],
): Promise<void> {
  await tx
    .deleteFrom('contact_addresses')
    .where('contact_id', '=', id)
    .$if(wanted.length > 0, (query) => query.where('address', 'not in', [...wanted]))
    .execute();
  if (wanted.length === 0) return;
  await tx
    .insertInto('contact_addresses')
    .values(
      [...new Set(wanted)].map((address) => ({ tenant_id: tenantId, address, contact_id: id })),
    )
    .onConflict((oc) => oc.doNothing())
    .execute();
  const taken = await tx
    .selectFrom('contact_addresses')
    .select('address')
    .where('tenant_id', '=', tenantId)
    .where('address', 'in', [...wanted])
    .where('contact_id', '<>', id)
    .executeTakeFirst();
  if (taken) throw new ContactAddressTaken(taken.address);
}

function selectContact(tx: Tx, id: string): Promise<ContactRow | undefined> {
  return tx
    .selectFrom('contacts')
    .select(['id', 'name', 'undeliverable', 'created_at', addresses])
    .where('id', '=', id)
    .executeTakeFirst();
}

import { sql } from 'kysely';
import { addressPrefixes, nationalEnding } from '../../domain/contact-address.ts';
import type { ContactId, TenantId } from '../../domain/ids.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';

export interface ContactRow {
  readonly id: string;
  readonly name: string | null;
  readonly undeliverable: string[];
  readonly time_zone: string | null;
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

const COLUMNS = ['id', 'name', 'undeliverable', 'time_zone', 'created_at', addresses] as const;

/** The contact that an id stands for by now: one that was merged is the one it became. Null where there is none. */
export async function contactIdOf(tx: Tx, id: string): Promise<ContactId | null> {
  const row = await tx
    .selectFrom('contacts')
    .select(sql<ContactId>`coalesce(merged_into, id)`.as('id'))
    .where('id', '=', id)
    .executeTakeFirst();
  return row?.id ?? null;
}

/** The same, its row locked until the transaction ends. */
export async function lockContact(tx: Tx, id: string): Promise<ContactId | null> {
  for (let wanted = await contactIdOf(tx, id); wanted !== null;) {
    const row = await tx
      .selectFrom('contacts')
      .select('merged_into')
      .where('id', '=', wanted)
      .forNoKeyUpdate() // what only refers to it need not wait
      .executeTakeFirst();
    if (!row?.merged_into) return row ? wanted : null;
    wanted = row.merged_into as ContactId; // merged while this waited
  }
  return null;
}

/** By its id, or by that of a contact that was merged into it. */
export async function findContact(
  db: Db,
  tenantId: TenantId,
  id: string,
): Promise<ContactRow | null> {
  return inTenant(db, tenantId, async (tx) => {
    const current = await contactIdOf(tx, id);
    return current === null ? null : ((await selectContact(tx, current)) ?? null);
  });
}

/** Oldest first. @param search part of a name, or the beginning of an address; a number in any spelling */
export async function listContacts(
  db: Db,
  tenantId: TenantId,
  { after, limit, search }: { after: string | null; limit: number; search?: string },
): Promise<ContactRow[]> {
  const wanted = search === undefined ? null : searched(search);
  return inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('contacts')
      .select(COLUMNS)
      .where('tenant_id', '=', tenantId)
      .where('merged_into', 'is', null)
      .$if(wanted !== null, (query) =>
        query.where((eb) =>
          eb.or([
            sql<boolean>`lower(contacts.name) like ${wanted!.name}`,
            eb.exists(
              eb
                .selectFrom('contact_addresses')
                .select('address')
                .whereRef('contact_id', '=', 'contacts.id')
                .where(sql<boolean>`address like any(${wanted!.addresses})`),
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

function searched(search: string): { name: string; addresses: string[] } {
  const escaped = (text: string) => text.replaceAll(/[\\%_]/g, (character) => `\\${character}`);
  const ending = nationalEnding(search);
  return {
    name: `%${escaped(search.toLowerCase())}%`,
    addresses: [
      ...addressPrefixes(search).map((prefix) => `${escaped(prefix)}%`),
      ...(ending === null ? [] : [`+%${ending}`]),
    ],
  };
}

export interface ContactChange {
  readonly name?: string | null;
  readonly time_zone?: string | null;
  /** As contacts keep them; these replace those before. */
  readonly addresses?: readonly string[];
}

/** Null where there is no such contact. @throws ContactAddressTaken */
export async function updateContact(
  db: Db,
  tenantId: TenantId,
  id: string,
  { addresses: wanted, ...fields }: ContactChange,
): Promise<ContactRow | null> {
  return inTenant(db, tenantId, async (tx) => {
    const current = await lockContact(tx, id);
    if (current === null) return null;
    if (Object.values(fields).some((value) => value !== undefined))
      await tx.updateTable('contacts').set(fields).where('id', '=', current).execute();
    if (wanted) await setAddresses(tx, tenantId, current, wanted);
    return (await selectContact(tx, current))!;
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
  await tx
    .updateTable('conversations')
    .set({ contact_id: id })
    .where('tenant_id', '=', tenantId)
    .where(sql<boolean>`folded_address = any(${wanted})`)
    .where('contact_id', '<>', id)
    .execute();
}

/** Which of these are ids that the tenant's chats know somebody by. */
export async function knownChatIds(
  db: Db,
  tenantId: TenantId,
  addresses: readonly string[],
): Promise<Set<string>> {
  if (addresses.length === 0) return new Set();
  const rows = await inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('contact_addresses')
      .select('address')
      .where('tenant_id', '=', tenantId)
      .where('address', 'in', [...addresses])
      .execute(),
  );
  return new Set(rows.map(({ address }) => address));
}

export async function selectContact(tx: Tx, id: string): Promise<ContactRow | undefined> {
  return tx.selectFrom('contacts').select(COLUMNS).where('id', '=', id).executeTakeFirst();
}

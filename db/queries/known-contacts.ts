import type { MailAddress } from '../../domain/message.ts';
import { newId, type ContactId, type TenantId } from '../../domain/ids.ts';
import type { Tx } from '../connection.ts';

/** The form in which addresses are compared: lower case. */
export function addressKey(address: string): string {
  return address.trim().toLowerCase();
}

/**
 * The contacts at these addresses, made where unknown; keyed by `addressKey`. The caller holds the tenant's
 * ingestion lock, so that no two make the same contact.
 */
export async function findOrAddContacts(
  tx: Tx,
  tenantId: TenantId,
  people: readonly MailAddress[],
): Promise<Map<string, ContactId>> {
  const named = new Map<string, string>();
  for (const { address, name } of people) {
    const key = addressKey(address);
    if (key !== '' && !named.get(key)) named.set(key, name);
  }
  if (named.size === 0) return new Map();
  const known = await tx
    .selectFrom('contact_addresses')
    .select(['address', 'contact_id'])
    .where('tenant_id', '=', tenantId)
    .where('address', 'in', [...named.keys()])
    .execute();
  const found = new Map(known.map((row) => [row.address, row.contact_id as ContactId]));
  const missing = [...named].filter(([address]) => !found.has(address));
  if (missing.length === 0) return found;
  const rows = missing.map(([address, name]) => ({ id: newId('contact'), address, name }));
  await tx
    .insertInto('contacts')
    .values(
      rows.map(({ id, name }) => ({ id, tenant_id: tenantId, name: name === '' ? null : name })),
    )
    .execute();
  const added = await tx
    .insertInto('contact_addresses')
    .values(rows.map(({ id, address }) => ({ tenant_id: tenantId, address, contact_id: id })))
    .onConflict((oc) =>
      oc
        .columns(['tenant_id', 'address'])
        .doUpdateSet({ address: (eb) => eb.ref('excluded.address') }),
    )
    .returning(['address', 'contact_id'])
    .execute();
  for (const row of added) found.set(row.address, row.contact_id as ContactId);
  return found;
}

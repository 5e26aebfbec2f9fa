import { sql } from 'kysely';
import type { MailAddress } from '../../domain/message.ts';
import { newId, type ContactId, type TenantId } from '../../domain/ids.ts';
import type { Tx } from '../connection.ts';
import { insertRows } from './insert-rows.ts';

/** Of mail that names none. */
export const UNKNOWN_SENDER: MailAddress = { name: '', address: 'unknown sender' };

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
    .where(sql<boolean>`address = any(${[...named.keys()]})`)
    .execute();
  const found = new Map(known.map((row) => [row.address, row.contact_id as ContactId]));
  const missing = [...named].filter(([address]) => !found.has(address));
  if (missing.length === 0) return found;
  const rows = missing.map(([address, name]) => ({ id: newId('contact'), address, name }));
  await insertRows(
    tx,
    'contacts',
    rows.map(({ id, name }) => ({ id, tenant_id: tenantId, name: name === '' ? null : name })),
  );
  const added = await insertRows<{ address: string; contact_id: string }>(
    tx,
    'contact_addresses',
    rows.map(({ id, address }) => ({ tenant_id: tenantId, address, contact_id: id })),
    sql`on conflict (tenant_id, address) do update set address = excluded.address returning address, contact_id`,
  );
  for (const row of added) found.set(row.address, row.contact_id as ContactId);
  return found;
}

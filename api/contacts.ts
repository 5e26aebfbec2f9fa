import { z } from 'zod';
import { inTenant } from '../db/connection.ts';
import { contactIdOf, knownChatIds, type ContactRow } from '../db/queries/contacts.ts';
import { readContactAddress } from '../domain/contact-address.ts';
import type { ContactId, TenantId } from '../domain/ids.ts';
import type { Contact } from '../domain/ticket.ts';
import type { ApiDeps } from './deps.ts';
import { invalid, notFound } from './problem.ts';

/** Why two contacts are one person, or one is two: the audit trail keeps it. */
export const MergeReason = z.string().trim().min(1).max(500);

/** The contact that an id stands for: one that was merged is the one it became. @throws Problem 404 */
export async function currentContact(
  { db }: ApiDeps,
  tenantId: TenantId,
  id: string,
): Promise<ContactId> {
  const found = await inTenant(db, tenantId, (tx) => contactIdOf(tx, id));
  if (found === null) throw notFound('contact', id);
  return found;
}

/**
 * Addresses as contacts keep them, each once.
 * @param pointers of each, where the field's errors point to
 * @throws Problem 422
 */
export async function readAddresses(
  { db }: ApiDeps,
  tenantId: TenantId,
  written: readonly string[],
  pointerOf: (place: number) => string,
): Promise<string[]> {
  const digits = written.filter((text) => /^\s*\d+\s*$/.test(text)).map((text) => text.trim());
  const known = await knownChatIds(db, tenantId, digits);
  const read = written.map((text) => readContactAddress(text, (id) => known.has(id)));
  const errors = read.flatMap((one, place) =>
    one.ok ? [] : [{ pointer: pointerOf(place), message: one.why }],
  );
  if (errors.length > 0)
    throw invalid(`${errors.map(({ message }) => message).join('; ')}.`, errors);
  return [...new Set(read.flatMap((one) => (one.ok ? [one.address] : [])))];
}

export function showContact(row: ContactRow): Contact {
  return { ...row, created_at: row.created_at.toISOString() };
}

import {
  readContactLink,
  type ContactLink,
  type StoredLink,
} from '../../db/queries/contact-links.ts';
import { ID_PREFIX, isId } from '../../domain/ids.ts';
import { isSigned, signFacts } from '../../security/link-token.ts';
import type { ApiDeps } from '../deps.ts';

const PURPOSE = 'contact-link';
const FORM = /^([0-9A-Z]{26})\.([0-9A-Z]{26})\.([\w-]{43})$/;

/** `<link>.<tenant>.<signature>`: signed over the tenant, both contacts, the address and the time it ends. */
export function linkToken({ keys }: Pick<ApiDeps, 'keys'>, link: ContactLink): string {
  const signature = signFacts(factsOf(link), keys.derive(PURPOSE));
  return [bare(link.id), bare(link.tenantId), signature].join('.');
}

/** The link that a token of ours stands for, whether it can still be used or not; null where it is none of ours. */
export async function readToken(
  { db, keys }: Pick<ApiDeps, 'db' | 'keys'>,
  token: string,
): Promise<StoredLink | null> {
  const [, link = '', tenant = '', signature = ''] = FORM.exec(token) ?? [];
  const id = `${ID_PREFIX.contactLink}_${link}`;
  const tenantId = `${ID_PREFIX.tenant}_${tenant}`;
  if (!isId('contactLink', id) || !isId('tenant', tenantId)) return null;
  const stored = await readContactLink(db, tenantId, id);
  if (!stored || !isSigned(factsOf(stored), signature, keys.deriveAll(PURPOSE))) return null;
  return stored;
}

function factsOf(link: ContactLink): string[] {
  const { id, tenantId, contactId, otherId, address, shownAddress, expiresAt } = link;
  return [id, tenantId, contactId, otherId, address, shownAddress, expiresAt.toISOString()];
}

function bare(id: string): string {
  return id.slice(id.indexOf('_') + 1);
}

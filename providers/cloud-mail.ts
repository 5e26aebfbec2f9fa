import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { ProviderFailure } from '../domain/failure.ts';
import { normalizeAddress } from '../domain/mail/addresses.ts';
import { DoorRefusal, type DoorRequest } from './contract.ts';
import {
  aliasesField,
  clockworkFields,
  credentialText,
  trustedServersField,
} from './mail-settings.ts';

// What the mail clouds (mail comes in by a webhook, goes out by an API) have in common.

export const BasicAuth = z
  .strictObject({
    username: credentialText.regex(/^[^:]*$/, 'takes no colon'),
    password: credentialText,
  })
  .meta({
    id: 'DoorBasicAuth',
    description: 'User name and password in the address that the vendor calls.',
  });
export type BasicAuth = z.infer<typeof BasicAuth>;

/** Settings that every mail cloud has. */
export const cloudFields = {
  base_url: z
    .url({ protocol: /^https?$/ })
    .optional()
    .meta({ description: 'The vendor’s API elsewhere: a proxy, or a simulator.' }),
  aliases: aliasesField,
  trusted_servers: trustedServersField,
  allowed_addresses: z
    .array(z.email())
    .min(1)
    .max(100)
    .optional()
    .meta({ description: 'Only mail to one of these is taken, `+tags` aside. Left out: all.' }),
  ...clockworkFields,
};

/** Whether two secrets are the same, told in a time that gives neither away. */
export function sameSecret(given: string, wanted: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}

/** HTTP Basic (RFC 7617). @throws DoorRefusal `<vendor>.login_refused` */
export function refuseWrongLogin(
  vendor: string,
  { headers }: DoorRequest,
  { username, password }: BasicAuth,
): void {
  const encoded = /^Basic +([A-Za-z0-9+/=_-]+) *$/i.exec(one(headers.authorization) ?? '')?.[1];
  const given = Buffer.from(encoded ?? '', 'base64').toString();
  if (!sameSecret(given, `${username}:${password}`))
    throw new DoorRefusal(401, `${vendor}.login_refused`, 'User name or password is wrong.');
}

/** The first value of a header or setting that may come several times. */
export function one(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

/** A clock may run a little ahead of the vendor's. */
const CLOCK_SKEW_MS = 5 * 60_000;

/** @throws DoorRefusal `<vendor>.stale` for a time that is older than `mostMs`, ahead of ours, or none */
export function refuseStale(
  vendor: string,
  at: Date,
  { receivedAt }: Pick<DoorRequest, 'receivedAt'>,
  mostMs: number,
): void {
  const age = receivedAt.getTime() - at.getTime();
  if (age <= mostMs && age >= -CLOCK_SKEW_MS) return;
  throw new DoorRefusal(403, `${vendor}.stale`, 'The call’s timestamp is not of our time.');
}

/**
 * @param final the status after which the vendor doesn't send the mail to this door again
 * @throws DoorRefusal `<vendor>.address_refused` where a mail is to none of the addresses that are let in
 */
export function refuseOtherAddresses(
  vendor: string,
  recipients: readonly string[],
  allowed: readonly string[] | undefined,
  final: 403 | 406 = 403,
): void {
  if (allowed === undefined) return;
  const known = new Set(allowed.map(untagged));
  if (recipients.some((address) => known.has(untagged(address)))) return;
  throw new DoorRefusal(
    final,
    `${vendor}.address_refused`,
    'The mail is to none of the addresses in "allowed_addresses".',
  );
}

function untagged(address: string): string {
  return normalizeAddress(address)
    .toLowerCase()
    .replace(/\+[^@]*@/, '@');
}

/** An authentic call whose content can't be read. */
export function unreadable(vendor: string, what: string): DoorRefusal {
  return new DoorRefusal(400, `${vendor}.unreadable`, `The call can’t be read: ${what}.`);
}

/** Stands in for an id where the vendor gives a mail none: the same mail has the same. */
export function contentId(source: Buffer): string {
  return `sha256:${createHash('sha256').update(source).digest('hex')}`;
}

/** The reading of a JSON body by its schema. @throws DoorRefusal 400 */
export function readJson<T>(vendor: string, text: string, schema: z.ZodType<T>): T {
  return readValue(vendor, jsonOrUndefined(text), schema);
}

/** The same of a body that was parsed already. @throws DoorRefusal 400 */
export function readValue<T>(vendor: string, value: unknown, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw unreadable(vendor, `${issue!.path.join('.') || 'its body'}: ${issue!.message}`);
}

export function jsonOrUndefined(
  text: string,
  revive?: (key: string, value: unknown) => unknown,
): unknown {
  try {
    return JSON.parse(text, revive) as unknown;
  } catch {
    return undefined; // the schema says what was wanted
  }
}

/** The vendor is to be asked, and there is nothing to log in with. @param detail what is missing and where it is set */
export function noApiKey(detail: string): ProviderFailure {
  return new ProviderFailure({ code: 'channel.no_api_key', class: 'give_up', message: detail });
}

/** What an admin should know of a channel that can't answer. */
export const noKeyWarning = 'No "api_key" is set: mail comes in, but answers can’t be sent.';

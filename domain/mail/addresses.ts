import { domainToUnicode } from 'node:url';
import addressparser from 'nodemailer/lib/addressparser';
import type { MailAddress } from '../message.ts';
import { decodeEncodedWords, decodeRawBytes } from './headers.ts';

const addressLimit = 1000;

/**
 * Addresses of a header (RFC 5322 §3.4): groups flattened, names decoded, domains in lower case,
 * entries without any address left out. At most 1,000 are read.
 */
export function parseAddresses(raw: string | null): MailAddress[] {
  if (raw === null || raw.trim() === '') return [];
  const text = decodeRawBytes(raw).slice(0, 100_000);
  const named = addressAsName(text);
  if (named) return [named];
  return addressparser(text, { flatten: true })
    .slice(0, addressLimit)
    .map(({ name, address }) => readMailbox(name, address))
    .filter((entry) => entry.address !== '');
}

// The library drops a display name that repeats the address; senders do write it.
function addressAsName(text: string): MailAddress | null {
  const same = /^\s*"([^"<>\s]{1,320})"\s*<([^"<>\s]{1,320})>\s*$/.exec(text);
  if (!same || same[1] !== same[2] || !same[1]!.includes('@')) return null;
  return { name: tidyName(same[1]!), address: normalizeAddress(same[2]!) };
}

function readMailbox(name: string, address: string): MailAddress {
  const decodedName = decodeEncodedWords(name);
  if (address === '' && decodedName !== name) return readEncodedMailbox(decodedName);
  // A word alone is a local part: mail systems sign as MAILER-DAEMON.
  if (address === '' && /^[\w.+-]{1,64}$/.test(name)) return { name: '', address: name };
  return { name: tidyName(decodedName), address: normalizeAddress(address) };
}

// Some senders encode the whole mailbox, against RFC 2047 §5; only brackets make it an address,
// since otherwise a display name could pose as one.
function readEncodedMailbox(text: string): MailAddress {
  const mailbox = /^(.*)<([^<>\s@]+@[^<>\s@]+)>\s*$/s.exec(text);
  if (!mailbox) return { name: tidyName(text), address: '' };
  return { name: tidyName(mailbox[1]!), address: normalizeAddress(mailbox[2]!) };
}

function tidyName(name: string): string {
  return name
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .replace(/^["'](.*)["']$/s, '$1')
    .trim();
}

/** The address with its domain in lower case and Unicode, without brackets, `mailto:`, spaces or control characters. */
export function normalizeAddress(address: string): string {
  const bare = withoutBrackets(address.trim())
    .replace(/^mailto:/i, '')
    .replace(/[\s\p{Cc}]+/gu, '');
  const at = bare.lastIndexOf('@');
  if (at < 0) return bare;
  const domain = bare.slice(at + 1).toLowerCase();
  const unicode = domain.includes('xn--') ? domainToUnicode(domain) || domain : domain;
  return `${bare.slice(0, at)}@${unicode}`;
}

function withoutBrackets(text: string): string {
  return text.replace(/^<+/, '').replace(/(?<!>)>+$/, '');
}

/** Addresses are the same person's when they differ in letter case alone. */
export function sameAddress(one: string, other: string): boolean {
  return normalizeAddress(one).toLowerCase() === normalizeAddress(other).toLowerCase();
}

/** Whether mail can be sent there at all: a local part, one `@`, a domain. */
export function isDeliverable(address: string): boolean {
  return /^[^\s@<>]+@[^\s@<>.]+(\.[^\s@<>.]+)*$/.test(address) && address.length <= 320;
}

/**
 * Where an answer goes: Reply-To where it names a deliverable address that is not one of our own,
 * else From. Empty where neither can be written to.
 */
export function replyAddresses(
  message: { reply_to: readonly MailAddress[]; sender: MailAddress | null },
  ownAddresses: readonly string[],
): MailAddress[] {
  const isForeign = (entry: MailAddress): boolean =>
    isDeliverable(entry.address) && !ownAddresses.some((own) => sameAddress(own, entry.address));
  const wanted = message.reply_to.filter(isForeign);
  if (wanted.length > 0) return wanted;
  return message.sender && isForeign(message.sender) ? [message.sender] : [];
}

import { hash } from 'node:crypto';
import { z } from 'zod';

/** Where the reading of one mailbox stands; kept as JSON. How small and how safe: docs/adr/0031. */
export const Pop3Cursor = z.object({
  /** Whose mailbox: ids mean something only within it. */
  account: z.string(),
  /** Mail older than this was never wanted. */
  since: z.iso.datetime(),
  /** What has been looked at, of all that was listed. */
  looked: z.object({ blocks: z.base64(), rest: z.base64() }),
  /** While the first walk through the mailbox is under way. */
  walk: z.object({ done: z.number(), total: z.number() }).optional(),
  /** A mail at which the connection broke off, and how often in a row. */
  stuck: z.object({ id: z.string(), times: z.number() }).optional(),
  /** Ids of mails stored whole, but not yet deleted on the server for certain. */
  unsettled: z.array(z.string()).optional(),
});
export type Pop3Cursor = z.infer<typeof Pop3Cursor>;
export type Looked = Pop3Cursor['looked'];

/** The cursor as it was kept, or null at the first look. @throws ZodError for what is no cursor of ours */
export function readCursor(kept: unknown): Pop3Cursor | null {
  return kept == null ? null : Pop3Cursor.parse(kept);
}

/** Tells one account's ids from another's; 8 hexadecimal digits. */
export function accountOf(settings: { readonly username: string }): string {
  return hash('sha256', settings.username.toLowerCase()).slice(0, 8);
}

export const NOTHING: Looked = { blocks: '', rest: '' };

/** Hexadecimal digits of a fingerprint: 64 bits. */
const DIGITS = 16;

/** Of a mail's unique id: 64 bits in hexadecimal. */
export function fingerprintOf(id: string): string {
  return hash('sha256', id).slice(0, DIGITS);
}

/**
 * What of a listing has been looked at. The sequence is cut into blocks wherever a fingerprint happens to end in six
 * zero bits (every 64 mails or so), and of each block 64 bits are kept; of what comes after the last cut, each
 * fingerprint. So 50,000 mails are about 10 kB, mail added at the end changes no block, and a mail that others delete
 * changes the block it was in.
 */
export function summaryOf(fingerprints: Iterable<string>): Looked {
  let blocks = '';
  let open: string[] = [];
  for (const fingerprint of fingerprints) {
    open.push(fingerprint);
    if (!isCut(fingerprint)) continue;
    blocks += digestOf(open);
    open = [];
  }
  return { blocks: packed(blocks), rest: packed(open.join('')) };
}

/** Which of these were looked at for certain, in their order. Of a changed block it is not known, and says false. */
export function recognized(looked: Looked, fingerprints: readonly string[]): boolean[] {
  const blocks = unpacked(looked.blocks);
  const rest = unpacked(looked.rest);
  const found = fingerprints.map((fingerprint) => rest.has(fingerprint));
  let from = 0;
  for (const [place, fingerprint] of fingerprints.entries()) {
    if (!isCut(fingerprint)) continue;
    if (blocks.has(digestOf(fingerprints.slice(from, place + 1))))
      found.fill(true, from, place + 1);
    from = place + 1;
  }
  return found;
}

function isCut(fingerprint: string): boolean {
  return Number.parseInt(fingerprint.slice(-2), 16) % 64 === 0;
}

function digestOf(block: readonly string[]): string {
  return hash('sha256', block.join('')).slice(0, DIGITS);
}

function packed(digits: string): string {
  return Buffer.from(digits, 'hex').toString('base64');
}

function unpacked(text: string): Set<string> {
  const digits = Buffer.from(text, 'base64').toString('hex');
  return new Set(digits.match(/.{16}/g) ?? []);
}

import { z } from 'zod';

/** Where the reading of an account stands; kept as JSON. */
export const GmailCursor = z.object({
  /** The account's address: ids and history mean something only within it. */
  account: z.string(),
  /** All changes up to this one have been looked at (a counter of the mailbox; Gmail forgets old ones). */
  historyId: z.string(),
  /** Mail older than this was never wanted. */
  since: z.string().nullable(),
  /** While all mail is walked through by rising id: the last one done, the last of all, and how far it is. */
  walk: z
    .object({
      after: z.string().nullable(),
      upTo: z.string(),
      done: z.number(),
      total: z.number(),
    })
    .optional(),
});
export type GmailCursor = z.infer<typeof GmailCursor>;

/** The cursor as it was kept, or null at the first look. @throws ZodError for what is no cursor of ours */
export function readCursor(kept: unknown): GmailCursor | null {
  return kept == null ? null : GmailCursor.parse(kept);
}

/** Order of Gmail's ids, hexadecimal numbers that grow with time; what comes first is done first. */
export function compareIds(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

/** Whether one history id, a decimal number beyond 2^53, comes after another. */
export function isLater(historyId: string | null | undefined, than: string): boolean {
  return historyId != null && BigInt(historyId) > BigInt(than);
}

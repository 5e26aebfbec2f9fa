import { z } from 'zod';

/** Where the reading of one folder stands; kept as JSON. */
export const ImapCursor = z.object({
  /** UIDs mean something only within this (RFC 3501 §2.3.1.1). */
  uidvalidity: z.string(),
  /** Everything up to this UID has been looked at. */
  uid: z.number(),
  /** Mail older than this was never wanted: the bound of a walk from the beginning. */
  since: z.string().nullable(),
  /** While a walk from the beginning is under way: its last UID, and how far it is. */
  walk: z.object({ upTo: z.number(), done: z.number(), total: z.number() }).optional(),
  /** Stored, but not yet marked, moved or deleted on the server. */
  unsettled: z.array(z.number()).optional(),
});
export type ImapCursor = z.infer<typeof ImapCursor>;

/** The cursor as it was kept, or null at the first look. @throws ZodError for what is no cursor of ours */
export function readCursor(kept: unknown): ImapCursor | null {
  return kept == null ? null : ImapCursor.parse(kept);
}

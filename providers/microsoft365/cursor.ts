import { z } from 'zod';

const common = {
  /** Mailbox and folder that it speaks of: another one is read from its beginning. */
  of: z.string(),
  /** Mail older than this is not imported. */
  since: z.string(),
};
/** Query of the next delta request, with its token. */
const link = z.string();

/**
 * Where the reading of one folder stands; kept as JSON. First a delta round that only lists (`baseline`), so that
 * nothing which comes or moves from then on is missed; then a `walk` over what is there, oldest first; then `follow`,
 * one delta round after the other.
 */
export const GraphCursor = z.discriminatedUnion('phase', [
  z.object({
    phase: z.literal('baseline'),
    ...common,
    link: link.nullable(),
    /** Time of the newest mail listed, and how many are to be read. */
    newest: z.string().nullable(),
    total: z.number(),
  }),
  z.object({
    phase: z.literal('walk'),
    ...common,
    link,
    /** Read up to this time, and of this very second those. */
    at: z.string(),
    ids: z.array(z.string()),
    upTo: z.string(),
    done: z.number(),
    total: z.number(),
  }),
  z.object({
    phase: z.literal('follow'),
    ...common,
    link,
    /** Those of the page at `link` that are read already. */
    done: z.array(z.string()),
  }),
]);
export type GraphCursor = z.infer<typeof GraphCursor>;
export type CursorIn<Phase extends GraphCursor['phase']> = Extract<GraphCursor, { phase: Phase }>;

/** The cursor as it was kept, or null at the first look. @throws ZodError for what is no cursor of ours */
export function readCursor(kept: unknown): GraphCursor | null {
  return kept == null ? null : GraphCursor.parse(kept);
}

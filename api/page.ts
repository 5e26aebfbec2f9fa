import { z } from 'zod';
import { Problem } from './problem.ts';

const MOST = 200;
const USUAL = 50;

/** Spread into a list's query schema. */
export const pageQuery = {
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(MOST)
    .default(USUAL)
    .meta({ description: `Most items of a page, 1 to ${MOST}.` }),
  cursor: z.string().optional().meta({ description: '`next_cursor` of the page before.' }),
};

/** A cursor's place in a list by time: the time and id of the last item. */
export const placeInTime = z.tuple([z.iso.datetime(), z.string()]);

/** The answer of a list of `item`. */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.object({
    data: z.array(item),
    next_cursor: z
      .string()
      .nullable()
      .meta({ description: 'Asks for the next page; null: this was the last.' }),
  });
}

/** One page out of `limit + 1` rows: the extra row only tells that there is more. */
export function page<Row, Item>(
  rows: readonly Row[],
  limit: number,
  show: (row: Row) => Item,
  placeOf: (row: Row) => unknown,
): { data: Item[]; next_cursor: string | null } {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    data: shown.map(show),
    next_cursor: rows.length > limit && last !== undefined ? writeCursor(placeOf(last)) : null,
  };
}

/** An opaque cursor: what a query needs to go on behind the last item. */
export function writeCursor(place: unknown): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

/** @throws Problem 400 where it is none of ours. */
export function readCursor<T extends z.ZodType>(
  cursor: string | undefined,
  place: T,
): z.output<T> | null {
  if (cursor === undefined) return null;
  const read = place.safeParse(fromBase64(cursor));
  if (read.success) return read.data;
  throw new Problem(400, 'bad_cursor', 'This cursor is not readable; start again without one.', {
    errors: [
      { pointer: '/query/cursor', message: 'wants next_cursor of the page before, unchanged' },
    ],
  });
}

function fromBase64(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    return undefined; // the schema refuses it
  }
}

/** A query parameter that may be given more than once or with commas: `?status=open,pending`. */
export function listOf<T extends z.ZodType<unknown, string>>(item: T): z.ZodType<z.output<T>[]> {
  return z
    .union([z.string(), z.array(z.string())])
    .transform((given) =>
      [given]
        .flat()
        .flatMap((part) => part.split(','))
        .map((part) => part.trim())
        .filter((part) => part !== ''),
    )
    .pipe(z.array(item))
    .meta({
      override: { type: 'string', anyOf: undefined },
      description: 'One, or several separated by commas.',
    });
}

/** `true`, `1` and an empty value are true; `false` and `0` are not. */
export const flag = z
  .enum(['', 'true', '1', 'false', '0'])
  .transform((text) => text !== 'false' && text !== '0');

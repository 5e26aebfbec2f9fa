import { z } from 'zod';
import { jsonOrUndefined, readValue } from './cloud-mail.ts';
import { DoorRefusal, type DoorRequest } from './contract.ts';

// What Meta's calls have in common (https://developers.facebook.com/docs/graph-api/webhooks/getting-started): entries, each
// of one account, with lists of what happened. They are read item by item: one that can't be read keeps no other from being
// taken.

/** An id, which is written as text, and at times as a number. */
export const textId = z
  .union([z.string().min(1), z.number().transform(String)])
  .optional()
  .catch(undefined);

/** A list as it came; what stands in its place is its one item, so that it is not passed over. */
export const items = z
  .unknown()
  .optional()
  .transform((list): unknown[] => (Array.isArray(list) ? list : list == null ? [] : [list]));

const Call = z.looseObject({ object: z.string(), entry: items });
export type GraphCall = z.infer<typeof Call>;

const calls = new WeakMap<Buffer, GraphCall>();

/** Meta batches up to 1,000 updates of some 30 values each. What is more is refused before it costs work: nobody has signed it yet. */
const MOST_VALUES = 100_000;
/** Ids that are written as numbers are looked for in calls up to this size; Meta writes them as text. */
const MOST_BYTES_FOR_NUMBERS = 262_144;

/** Read once for all accounts that it speaks of. @throws DoorRefusal 400 where it is no call at all */
export function graphCall(vendor: string, { body }: Pick<DoorRequest, 'body'>): GraphCall {
  const known = calls.get(body);
  if (known) return known;
  if (holdsTooMany(body))
    throw new DoorRefusal(413, `${vendor}.too_many_items`, 'The call holds too many items.');
  const call = readValue(vendor, withWholeIds(body.toString()), Call);
  calls.set(body, call);
  return call;
}

const [QUOTE, BACKSLASH] = [0x22, 0x5c];
/** Each value but the first of its list or object follows a comma. */
const BEFORE_VALUES = new Set(Buffer.from(',[{'));

/** Told from the bytes: reading them into values is what costs. */
function holdsTooMany(json: Buffer): boolean {
  let count = 0;
  for (let at = 0; at < json.length && count <= MOST_VALUES; at += 1) {
    const byte = json[at]!;
    if (byte === QUOTE) at = endOfText(json, at + 1);
    else if (BEFORE_VALUES.has(byte)) count += 1;
  }
  return count > MOST_VALUES;
}

/** The place of the quote that ends it. */
function endOfText(json: Buffer, from: number): number {
  let at = from;
  while (at < json.length && json[at] !== QUOTE) at += json[at] === BACKSLASH ? 2 : 1;
  return at;
}

/** A reading of calls that several ask for: made once for each. */
export function oncePerCall<T>(read: (call: GraphCall) => T): (call: GraphCall) => T {
  const known = new WeakMap<GraphCall, T>();
  return (call) => {
    const reading = known.get(call) ?? read(call);
    known.set(call, reading);
    return reading;
  };
}

/** The same of a stored source. @throws Error */
export function storedCall(source: Buffer): GraphCall {
  return Call.parse(withWholeIds(source.toString()));
}

/** Ids may be larger than what a number holds: those that come as numbers are text before they lose digits. */
function withWholeIds(json: string): unknown {
  const isSearched = json.length <= MOST_BYTES_FOR_NUMBERS && /[:[,]\s*\d{16}/.test(json);
  return jsonOrUndefined(json, isSearched ? asWritten : undefined);
}

function asWritten(_key: string, value: unknown, written?: { readonly source?: string }): unknown {
  const { source = '' } = written ?? {};
  return typeof value === 'number' && /^\d{16,32}$/.test(source) ? source : value;
}

/** What is wrong with an item, in few words; for the reason it is set aside with. */
export function faultOf(schema: z.ZodType, item: unknown): string {
  const [issue] = schema.safeParse(item).error?.issues ?? [];
  return issue ? [...issue.path, issue.message].join(': ') : 'its form is unknown';
}

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

/** Meta batches up to 1,000 updates. What is more is refused before it costs work: nobody has signed it yet. */
const MOST_ITEMS = 5_000;
/** Ids that are written as numbers are looked for in calls up to this size; Meta writes them as text. */
const MOST_BYTES_FOR_NUMBERS = 262_144;

/** Read once for all accounts that it speaks of. @throws DoorRefusal 400 where it is no call at all */
export function graphCall(vendor: string, { body }: Pick<DoorRequest, 'body'>): GraphCall {
  const known = calls.get(body);
  if (known) return known;
  const call = readValue(vendor, withWholeIds(body.toString()), Call);
  if (itemsIn(call) > MOST_ITEMS)
    throw new DoorRefusal(413, `${vendor}.too_many_items`, 'The call holds too many items.');
  calls.set(body, call);
  return call;
}

function itemsIn({ entry }: GraphCall): number {
  return entry.reduce<number>((sum, one) => {
    const lists = Object.values(one ?? {}).filter((value) => Array.isArray(value));
    return lists.reduce((inner, list) => inner + list.length, sum + 1);
  }, 0);
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

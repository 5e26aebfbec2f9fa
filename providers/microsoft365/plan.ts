import { z } from 'zod';
import { ProviderFailure } from '../../domain/failure.ts';
import { askTogether, MOST_TOGETHER } from './batch.ts';
import type { Graph } from './client.ts';
import type { ListedMail } from './listing.ts';
import { mailPath } from './mail.ts';

/** A mail larger than this is transferred by itself. */
const SMALL_BYTES = 1024 * 1024;
/** Of the mails in one request: in base64, and with their attachments in base64 within, some 4 MB. */
const TOGETHER_BYTES = 2 * 1024 * 1024;
/** Text and HTML alone. */
const USUAL_BYTES = 64 * 1024;
const UNKNOWN_BYTES = 4 * 1024 * 1024;
/** Asking how large so many are costs no more requests than reading them does. */
const WORTH_ASKING = 3;
/** Batches of questions, as of mails. */
const AT_ONCE = 3;

/** Mails that are read in one request. */
export interface Reading {
  readonly mails: readonly ListedMail[];
  /** About as many. */
  readonly bytes: number;
}

/** What is read together, in the order of the first mail of each. @throws ProviderFailure */
export async function planReadings(graph: Graph, mails: readonly ListedMail[]): Promise<Reading[]> {
  const sizes = await sizesOf(graph, mails);
  const readings: { mails: ListedMail[]; bytes: number }[] = [];
  let open: (typeof readings)[number] | undefined;
  for (const mail of mails) {
    const size = sizes.get(mail.id);
    if (size === undefined || size > SMALL_BYTES || !graph.isBatching) {
      readings.push({ mails: [mail], bytes: size ?? UNKNOWN_BYTES });
      continue;
    }
    if (!open || open.mails.length === MOST_TOGETHER || open.bytes + size > TOGETHER_BYTES)
      readings.push((open = { mails: [], bytes: 0 }));
    open.mails.push(mail);
    open.bytes += size;
  }
  return readings;
}

/**
 * How large the mails are, about. A delta query does not tell it: there, Graph refuses to expand extended properties,
 * and a message has no size but that one. Asked for are those that may be large.
 */
async function sizesOf(
  graph: Graph,
  mails: readonly ListedMail[],
): Promise<ReadonlyMap<string, number>> {
  const isPlain = ({ hasAttachments }: ListedMail) => hasAttachments === false;
  const sizes = new Map(mails.filter(isPlain).map(({ id }) => [id, USUAL_BYTES]));
  const unknown = mails.filter((mail) => !isPlain(mail));
  if (unknown.length < WORTH_ASKING) return sizes;
  for (let from = 0; from < unknown.length; from += MOST_TOGETHER * AT_ONCE) {
    const some = unknown.slice(from, from + MOST_TOGETHER * AT_ONCE);
    const parts = Array.from({ length: Math.ceil(some.length / MOST_TOGETHER) }, (_, n) =>
      some.slice(n * MOST_TOGETHER, (n + 1) * MOST_TOGETHER),
    );
    for (const measured of await Promise.all(parts.map((part) => measure(graph, part))))
      for (const [id, size] of measured) sizes.set(id, size);
  }
  return sizes;
}

/** Those that Graph tells the size of. */
async function measure(
  graph: Graph,
  mails: readonly ListedMail[],
): Promise<readonly [string, number][]> {
  if (!graph.isBatching || !graph.isMeasuring) return [];
  const brought = await askTogether(
    graph,
    mails.map((mail) => `${mailPath(graph, mail)}?${SIZE}`),
  );
  const sizes: [string, number][] = [];
  for (const [n, one] of brought.entries()) {
    if (one instanceof ProviderFailure) throw one;
    const size = typeof one === 'object' ? sizeIn(one.body) : undefined;
    if (size !== undefined) sizes.push([mails[n]!.id, size]);
  }
  if (sizes.length === 0) graph.isMeasuring = false;
  return sizes;
}

/**
 * PidTagMessageSize, the sum of all its properties
 * (https://learn.microsoft.com/graph/api/singlevaluelegacyextendedproperty-get).
 */
const SIZE = `$select=id&$expand=${encodeURIComponent("singleValueExtendedProperties($filter=id eq 'Integer 0x0E08')")}`;

const Sized = z.object({
  singleValueExtendedProperties: z.array(z.object({ id: z.string(), value: z.string() })),
});

function sizeIn(body: unknown): number | undefined {
  // The number comes back in another spelling than it was asked for: `Integer 0xe08`.
  const property = Sized.safeParse(body).data?.singleValueExtendedProperties.find(({ id }) =>
    /^(integer|long) 0x0*e08$/i.test(id),
  );
  const size = Number(property?.value);
  return Number.isSafeInteger(size) && size >= 0 ? size : undefined;
}

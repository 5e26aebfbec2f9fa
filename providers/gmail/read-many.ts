import type { FetchedItem } from '../contract.ts';
import { withHeartbeats } from '../heartbeats.ts';
import { getBatch } from './batch.ts';
import type { gmail_v1 } from './client.ts';
import { asItem, RAW, readMail, type Place, type Wanted } from './read.ts';
import { AnswerTooLarge } from './transport.ts';

/** Google advises against more than 50; each is a request of its own to Gmail's limit of requests at once. */
const BATCH = 20;
const BATCHES_AT_ONCE = 2;
/** Of one batch's answer; mails that are larger together are read one by one. */
const BATCH_BYTES = 24 * 1024 * 1024;

/** Reads mails, some in one request, and hands them on in their order; null for each that is gone or isn't wanted. */
export async function* readMany(
  place: Place,
  ids: readonly string[],
  isWanted: Wanted = () => true,
): AsyncGenerator<FetchedItem | null> {
  const running: Promise<AsyncIterable<FetchedItem | null>>[] = [];
  let next = 0;
  try {
    while (next < ids.length || running.length > 0) {
      while (running.length < BATCHES_AT_ONCE && next < ids.length) {
        const reading = readSome(place, ids.slice(next, next + BATCH), isWanted);
        reading.catch(() => {}); // awaited in its turn; without this an earlier failure leaves it unhandled
        running.push(reading);
        next += BATCH;
      }
      yield* await withHeartbeats(place.call, () => running.shift()!);
    }
  } finally {
    await Promise.allSettled(running);
  }
}

/** What a batch did not bring is asked for by itself, when its turn comes: so it is tried again, or found to be gone. */
async function readSome(
  place: Place,
  ids: readonly string[],
  isWanted: Wanted,
): Promise<AsyncIterable<FetchedItem | null>> {
  const found = new Map(ids.length > 1 ? await batch(place, ids) : []);
  return (async function* () {
    for (const id of ids) {
      const mail = found.get(id);
      found.delete(id);
      const raw = mail?.raw;
      yield await withHeartbeats(place.call, () =>
        raw == null ? readMail(place, id, isWanted) : asItem(place, mail!, raw, isWanted),
      );
    }
  })();
}

async function batch(
  { call, ask }: Place,
  ids: readonly string[],
): Promise<ReadonlyMap<string, gmail_v1.Schema$Message>> {
  try {
    return await getBatch(call, ask, ids, RAW, BATCH_BYTES);
  } catch (error) {
    if (error instanceof AnswerTooLarge) return new Map();
    throw error;
  }
}

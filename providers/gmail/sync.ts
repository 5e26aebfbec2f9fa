import { ProviderFailure } from '../../domain/failure.ts';
import type { FetchedBatch, FetchedItem } from '../contract.ts';
import type { GmailCall } from './call.ts';
import { gmailApi } from './client.ts';
import { isLater, readCursor, type GmailCursor } from './cursor.ts';
import { historyPages } from './history.ts';
import { labelFilter } from './labels.ts';
import { UNITS } from './quota.ts';
import type { Place } from './read.ts';
import { readMany } from './read-many.ts';
import { isSince, listAll, restOf } from './walk.ts';

/** Bound of what one batch holds in memory; a mail larger than this is a batch of its own. */
const BATCH_BYTES = 16 * 1024 * 1024;

/**
 * New mail of the account since the cursor, oldest first: by the mailbox's history, as Google advises
 * (https://developers.google.com/workspace/gmail/api/guides/sync). A first look, and one after Gmail has forgotten the
 * history, walks through all mail since `import_since` that is not known already. @throws ProviderFailure
 */
export async function* fetchMail(
  call: GmailCall,
  _folder: string,
  kept: unknown,
): AsyncGenerator<FetchedBatch> {
  const ask = gmailApi(call);
  const place = { call, ask, filter: await labelFilter(call, ask) };
  const known = readCursor(kept);
  let start: Start = known ? { cursor: known, isSaid: true } : await startingPoint(place, null);
  for (;;) {
    if (start.cursor.walk)
      start = { cursor: yield* walkBatches(place, start.cursor, start.listed), isSaid: true };
    try {
      return yield* historyBatches(place, start);
    } catch (error) {
      if (!(error instanceof ProviderFailure) || error.code !== 'gmail.not_found') throw error;
      call.log.warn('Gmail no longer knows the history since the last look: all mail is looked at');
      start = await startingPoint(place, start.cursor);
    }
  }
}

interface Start {
  readonly cursor: GmailCursor;
  /** The core has it already. */
  readonly isSaid: boolean;
  /** The mails of its walk, where they have just been listed. */
  readonly listed?: readonly string[];
}

/**
 * The mailbox's counter is read before its mail is listed, so that nothing falls between. @param lost the cursor whose
 * history Gmail has forgotten
 */
async function startingPoint(place: Place, lost: GmailCursor | null): Promise<Start> {
  const { call, ask } = place;
  const profile = await ask(UNITS.profile, (api, options) =>
    api.users.getProfile({ userId: 'me' }, options),
  );
  const account = profile.emailAddress!;
  const sameAccount = lost?.account === account ? lost : null;
  const cursor = { account, historyId: profile.historyId! };
  const since = sameAccount ? sameAccount.since : importSince(call);
  if (since === null)
    return { cursor: { ...cursor, since: new Date().toISOString() }, isSaid: false };
  const ids = await listAll(place, since);
  if (ids.length === 0) return { cursor: { ...cursor, since }, isSaid: false };
  const walk = { after: null, upTo: ids.at(-1)!, done: 0, total: ids.length };
  return {
    cursor: { ...cursor, since, walk },
    isSaid: false,
    listed: ids,
  };
}

/** When the first import begins; null for "at the first look", where the channel's age is not known. */
function importSince({ settings, channel }: GmailCall): string | null {
  if (settings.import_since !== 'now') return new Date(settings.import_since).toISOString();
  return channel.createdAt?.toISOString() ?? null;
}

async function* walkBatches(
  place: Place,
  from: GmailCursor,
  listed?: readonly string[],
): AsyncGenerator<FetchedBatch, GmailCursor> {
  const { walk: begun, ...ended } = from;
  const walk = begun!;
  const ids = restOf(from, listed ?? (await listAll(place, from.since!)));
  const cursorAfter = (index: number): GmailCursor =>
    index === ids.length - 1
      ? ended
      : { ...from, walk: { ...walk, after: ids[index]!, done: doneAt(index) } };
  const doneAt = (index: number) => Math.min(walk.done + index + 1, walk.total);
  for await (const { items, index } of grouped(place, readMany(place, ids, isSince(from.since!))))
    yield {
      items,
      cursor: cursorAfter(index),
      progress: { done: index === ids.length - 1 ? walk.total : doneAt(index), total: walk.total },
    };
  if (ids.length === 0)
    yield { items: [], cursor: ended, progress: { done: walk.total, total: walk.total } };
  return ended;
}

async function* historyBatches(
  place: Place,
  { cursor: from, isSaid }: Start,
): AsyncGenerator<FetchedBatch, void> {
  let historyId = from.historyId;
  let said = isSaid ? historyId : null;
  for await (const { candidates, upTo } of historyPages(place, from.historyId)) {
    const ids = candidates.map(({ id }) => id);
    for await (const { items, index } of grouped(place, readMany(place, ids))) {
      // A change that brought several mails is passed when the last of them is.
      const passed = candidates.findLast(
        ({ historyId }, place) => place <= index && historyId !== candidates[index + 1]?.historyId,
      )?.historyId;
      if (isLater(passed, historyId)) historyId = passed!;
      if (items.length === 0) continue;
      yield { items, cursor: { ...from, historyId } };
      said = historyId;
    }
    if (isLater(upTo, historyId)) historyId = upTo;
  }
  if (said !== historyId) yield { items: [], cursor: { ...from, historyId } };
}

interface Group {
  readonly items: readonly FetchedItem[];
  /** Place of the last mail that it settles, among all that were asked for. */
  readonly index: number;
}

/** Cuts mails into groups that are small in number and in bytes; what is gone or not wanted counts and isn't in it. */
async function* grouped(
  { call }: Place,
  found: AsyncIterable<FetchedItem | null>,
): AsyncGenerator<Group> {
  let items: FetchedItem[] = [];
  let bytes = 0;
  let index = -1;
  for await (const item of found) {
    call.signal.throwIfAborted();
    const size = Buffer.isBuffer(item?.source) ? item.source.length : 0;
    if (
      items.length > 0 &&
      (items.length >= call.settings.batch_size || bytes + size > BATCH_BYTES)
    ) {
      call.heartbeat();
      yield { items, index };
      items = [];
      bytes = 0;
    }
    index += 1;
    if (item) items.push(item);
    bytes += size;
  }
  if (index >= 0) yield { items, index };
}

import { ProviderFailure } from '../../domain/failure.ts';
import type { FetchedBatch } from '../contract.ts';
import { Graph } from './client.ts';
import { readCursor, type CursorIn, type GraphCursor } from './cursor.ts';
import { failure } from './failure.ts';
import { folderPath } from './folder.ts';
import { deltaPage, mailsFrom, timeOf } from './listing.ts';
import { readMails } from './read.ts';
import type { Microsoft365Call } from './sign-in.ts';

type Batches<Next> = AsyncGenerator<FetchedBatch, Next>;

/**
 * New mail of a folder since the cursor. Where Graph has forgotten the cursor, the folder is read anew from `since`;
 * ids are immutable, so the core knows what it has already. @throws ProviderFailure
 */
export async function* fetchMail(
  call: Microsoft365Call,
  folder: string,
  kept: unknown,
): AsyncGenerator<FetchedBatch> {
  const graph = new Graph(call);
  const open: OpenFolder = { graph, name: folder, path: await folderPath(graph, folder) };
  const cursor = startingPoint(open, readCursor(kept));
  try {
    yield* read(open, cursor);
  } catch (error) {
    if (!(error instanceof ProviderFailure)) throw error;
    if (error.code === 'microsoft365.not_found')
      throw failure('folder_missing', 'give_up', `There is no folder "${folder}" in the mailbox.`);
    if (error.code !== 'microsoft365.cursor_expired') throw error;
    call.log.warn({ folder }, 'Graph has forgotten the cursor: the folder is read anew');
    yield* read(open, beginning(open, cursor.since));
  }
}

interface OpenFolder {
  readonly graph: Graph;
  readonly name: string;
  readonly path: string;
}

function startingPoint(open: OpenFolder, kept: GraphCursor | null): GraphCursor {
  if (kept?.of === open.path) return kept;
  return beginning(open, kept?.since ?? importSince(open.graph.call));
}

function beginning({ path }: OpenFolder, since: string): CursorIn<'baseline'> {
  return { phase: 'baseline', of: path, since, link: null, newest: null, total: 0 };
}

/** When the first import begins, in whole seconds, as Graph counts. */
function importSince({ settings, channel }: Microsoft365Call): string {
  const since =
    settings.import_since === 'now'
      ? (channel.createdAt ?? new Date())
      : new Date(settings.import_since);
  return new Date(Math.floor(since.getTime() / 1000) * 1000).toISOString();
}

async function* read(open: OpenFolder, from: GraphCursor): AsyncGenerator<FetchedBatch> {
  const walk = from.phase === 'baseline' ? yield* baseline(open, from) : from;
  const follow = walk.phase === 'walk' ? yield* walkThrough(open, walk) : walk;
  yield* followOn(open, follow);
}

/** Lists what is there, for the delta token at the end and to know how much there is to read. */
async function* baseline(
  { graph, path }: OpenFolder,
  from: CursorIn<'baseline'>,
): Batches<CursorIn<'walk'> | CursorIn<'follow'>> {
  const { of, since } = from;
  for (let cursor = from; ;) {
    const page = await deltaPage(graph, path, cursor.link);
    const wanted = page.mails.filter((mail) => timeOf(mail) >= Date.parse(since));
    const newest = wanted.at(-1)?.receivedDateTime ?? null;
    const counted = {
      newest: later(cursor.newest, newest),
      total: cursor.total + wanted.length,
    };
    const { link } = page;
    if (!page.isLast) {
      cursor = { ...cursor, ...counted, link };
      yield { items: [], cursor };
      continue;
    }
    const next: CursorIn<'walk'> | CursorIn<'follow'> =
      counted.newest === null
        ? { phase: 'follow', of, since, link, done: [] }
        : {
            phase: 'walk',
            of,
            since,
            link,
            at: since,
            ids: [],
            upTo: counted.newest,
            done: 0,
            total: counted.total,
          };
    yield { items: [], cursor: next };
    return next;
  }
}

function later(one: string | null, other: string | null): string | null {
  if (one === null || other === null) return one ?? other;
  return Date.parse(one) >= Date.parse(other) ? one : other;
}

/** Reads what was there at the baseline, oldest first: by time and not by place, which shifts when mails go. */
async function* walkThrough(
  { graph, name, path }: OpenFolder,
  from: CursorIn<'walk'>,
): Batches<CursorIn<'follow'>> {
  const { batch_size: size } = graph.call.settings;
  const { of, since, link, upTo } = from;
  for (let cursor = from; ;) {
    const mails = await mailsFrom(graph, path, cursor.at, new Set(cursor.ids), size);
    const due = mails.filter((mail) => timeOf(mail) <= Date.parse(upTo));
    // After a cursor was forgotten, most of it is stored already.
    const stored = await graph.call.known?.(due.map(({ id }) => id));
    for await (const batch of readMails(graph, name, due, size, stored)) {
      for (const { mail } of batch) cursor = passed(cursor, mail.id, mail.receivedDateTime);
      const items = batch.flatMap(({ item }) => item ?? []);
      yield { items, cursor, progress: { done: cursor.done, total: cursor.total } };
    }
    if (due.length > 0 && due.length === mails.length) continue;
    const follow: CursorIn<'follow'> = { phase: 'follow', of, since, link, done: [] };
    yield { items: [], cursor: follow };
    return follow;
  }
}

function passed(cursor: CursorIn<'walk'>, id: string, at: string): CursorIn<'walk'> {
  const ids =
    timeOf({ receivedDateTime: at }) === Date.parse(cursor.at) ? [...cursor.ids, id] : [id];
  return { ...cursor, at, ids, done: Math.min(cursor.done + 1, cursor.total) };
}

/** What came, or was moved here, since the last round. */
async function* followOn(
  { graph, name, path }: OpenFolder,
  from: CursorIn<'follow'>,
): AsyncGenerator<FetchedBatch> {
  const { batch_size: size } = graph.call.settings;
  for (let cursor = from; ;) {
    const page = await deltaPage(graph, path, cursor.link, size);
    const known = new Set(cursor.done);
    const fresh = page.mails.filter(({ id }) => !known.has(id));
    let left = fresh.length;
    let told: CursorIn<'follow'> | null = null;
    for await (const batch of readMails(graph, name, fresh, size)) {
      left -= batch.length;
      const done = [...cursor.done, ...batch.map(({ mail }) => mail.id)];
      cursor = left > 0 ? { ...cursor, done } : { ...cursor, link: page.link, done: [] };
      told = cursor;
      yield { items: batch.flatMap(({ item }) => item ?? []), cursor };
    }
    const isNew = cursor.link !== page.link;
    cursor = { ...cursor, link: page.link, done: [] };
    if (told === null && isNew) yield { items: [], cursor };
    if (page.isLast) return;
  }
}

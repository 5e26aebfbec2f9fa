import type { ImapFlow, MailboxObject } from 'imapflow';
import type { FetchedBatch } from '../contract.ts';
import { withHeartbeats } from '../heartbeats.ts';
import { connect, leave, openFolder, searchUids, type ImapCall } from './client.ts';
import { readCursor, type ImapCursor } from './cursor.ts';
import { imapFailure } from './failure.ts';
import { listMails, readMails, type ListedMail } from './read.ts';
import { Settlement } from './settlement.ts';

/** Bound of what one batch holds in memory; a mail larger than this is a batch of its own. */
const BATCH_BYTES = 16 * 1024 * 1024;
const DAY_MS = 86_400_000;

/**
 * New mail of a folder since the cursor, oldest first. A first look, and one after UIDVALIDITY changed, walks the
 * folder from `since`; the core knows what it has already. @throws ProviderFailure
 */
export async function* fetchMail(
  call: ImapCall,
  folder: string,
  kept: unknown,
): AsyncGenerator<FetchedBatch> {
  const client = await connect(call);
  try {
    const access = call.settings.after === 'leave' ? 'read' : 'write';
    const mailbox = await openFolder(client, call, folder, access);
    yield* batches({ client, call, folder, mailbox }, readCursor(kept));
    await leave(client);
  } catch (error) {
    call.signal.throwIfAborted();
    throw imapFailure(error, call.settings);
  } finally {
    client.close();
  }
}

interface OpenFolder {
  readonly client: ImapFlow;
  readonly call: ImapCall;
  readonly folder: string;
  readonly mailbox: MailboxObject;
}

async function* batches(
  open: OpenFolder,
  kept: ImapCursor | null,
): AsyncGenerator<FetchedBatch, void> {
  const { client, call, folder } = open;
  const settlement = new Settlement(client, call, folder);
  if (kept && sameMailbox(open, kept)) await settlement.resume(kept.unsettled);
  let cursor = await startingPoint(open, kept);
  let isSaid = cursor === kept;
  for (;;) {
    const from = cursor;
    const uids = await withHeartbeats(call, () => uidsAfter(client, from));
    if (uids.length === 0 && !cursor.walk) break;
    if (uids.length === 0) {
      cursor = walkEnded(cursor);
      isSaid = false;
    }
    for await (const part of partsOf(open, uids)) {
      call.heartbeat();
      const mails = wanted(part.mails, cursor);
      const read = await withHeartbeats(call, () => readMails(open, mails));
      const items = read.map((mail) => mail.item);
      const { walk } = cursor;
      cursor = passed(cursor, part);
      isSaid = items.length > 0;
      if (!isSaid) continue;
      // What is not stored whole stays as it is on the server.
      const whole = read.filter((mail) => mail.isWhole);
      const stored = settlement.begin(whole.map((mail) => mail.uid));
      yield {
        items,
        cursor: { ...cursor, unsettled: settlement.open() },
        ...(walk && {
          progress: { done: cursor.walk?.done ?? walk.total, total: walk.total },
        }),
        ...(stored && { stored }),
      };
    }
  }
  if (!isSaid || settlement.hasSettled)
    yield { items: [], cursor: { ...cursor, unsettled: settlement.open() } };
}

function sameMailbox({ mailbox }: OpenFolder, cursor: ImapCursor): boolean {
  return cursor.uidvalidity === String(mailbox.uidValidity);
}

async function startingPoint(open: OpenFolder, kept: ImapCursor | null): Promise<ImapCursor> {
  const { client, call, mailbox } = open;
  if (kept && sameMailbox(open, kept)) return kept;
  if (kept) call.log.warn('UIDVALIDITY changed: the folder is walked from its beginning');
  const uidvalidity = String(mailbox.uidValidity);
  const since = kept ? kept.since : importSince(call);
  if (since === null) {
    const newest = mailbox.exists > 0 ? ((await searchUids(client, { uid: '*' })).at(-1) ?? 0) : 0;
    return { uidvalidity, uid: newest, since: new Date().toISOString() };
  }
  const uids = await searchUids(client, sinceQuery(since));
  const walk = uids.length > 0 && { upTo: uids.at(-1)!, done: 0, total: uids.length };
  return { uidvalidity, uid: 0, since, ...(walk && { walk }) };
}

/** When the first import begins; null for "at the first look", where the channel's age is not known. */
function importSince({ settings, channel }: ImapCall): string | null {
  if (settings.import_since !== 'now') return new Date(settings.import_since).toISOString();
  if (!channel.createdAt) return null;
  // INTERNALDATE counts in whole seconds.
  return new Date(Math.floor(channel.createdAt.getTime() / 1000) * 1000).toISOString();
}

/** SEARCH knows days alone, in the server's own time zone: a day earlier, and `wanted` looks at the time. */
function sinceQuery(since: string): { since: Date } {
  return { since: new Date(Date.parse(since) - DAY_MS) };
}

/** `n:*` always names the newest mail, even where it is older than n (RFC 3501 §6.4.8). */
async function uidsAfter(client: ImapFlow, { uid, since, walk }: ImapCursor): Promise<number[]> {
  const query = walk
    ? { uid: `${uid + 1}:${Math.max(walk.upTo, uid + 1)}`, ...(since && sinceQuery(since)) }
    : { uid: `${uid + 1}:*` };
  return (await searchUids(client, query)).filter((found) => found > uid);
}

interface Part {
  readonly mails: readonly ListedMail[];
  /** The last UID that this part settles, and how many it stands for; expunged ones count too. */
  readonly upTo: number;
  readonly count: number;
}

/** Cuts UIDs into parts that are small in number and in bytes; sizes are asked a chunk at a time. */
async function* partsOf(open: OpenFolder, uids: readonly number[]): AsyncGenerator<Part> {
  const most = open.call.settings.batch_size;
  for (let from = 0; from < uids.length; from += most) {
    const chunk = uids.slice(from, from + most);
    const groups = groupedBySize(
      await withHeartbeats(open.call, () => listMails(open.client, chunk)),
    );
    let counted = 0;
    for (const [index, mails] of groups.entries()) {
      const upTo = index === groups.length - 1 ? chunk.at(-1)! : mails.at(-1)!.uid;
      const soFar = chunk.findLastIndex((uid) => uid <= upTo) + 1;
      yield { mails, upTo, count: soFar - counted };
      counted = soFar;
    }
  }
}

/** At least one group, which may be empty where all mails are gone. */
function groupedBySize(listed: readonly ListedMail[]): ListedMail[][] {
  const groups: ListedMail[][] = [[]];
  let bytes = 0;
  for (const mail of listed) {
    if (bytes > 0 && bytes + mail.size > BATCH_BYTES) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)!.push(mail);
    bytes += mail.size;
  }
  return groups;
}

function wanted(mails: readonly ListedMail[], cursor: ImapCursor): readonly ListedMail[] {
  const from = cursor.walk && cursor.since ? Date.parse(cursor.since) : 0;
  return mails.filter((mail) => mail.receivedAt.getTime() >= from && !mail.flags.has('\\Draft'));
}

function passed(cursor: ImapCursor, part: Part): ImapCursor {
  const { uidvalidity, since, walk } = cursor;
  const here = { uidvalidity, uid: part.upTo, since };
  if (!walk || part.upTo >= walk.upTo) return here;
  return { ...here, walk: { ...walk, done: Math.min(walk.done + part.count, walk.total) } };
}

function walkEnded({ uidvalidity, uid, since, walk }: ImapCursor): ImapCursor {
  return { uidvalidity, uid: Math.max(uid, walk?.upTo ?? 0), since };
}

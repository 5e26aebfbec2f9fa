import type { ImapFlow } from 'imapflow';
import type { FetchedItem } from '../contract.ts';
import { serverWords } from '../connect.ts';
import { DEFAULT_MAX_BYTES, type ImapCall } from './client.ts';
import { sequenceSet } from './sequence-set.ts';

/** What is asked of a mail before its bytes are. */
export interface ListedMail {
  readonly uid: number;
  readonly size: number;
  readonly receivedAt: Date;
  readonly flags: ReadonlySet<string>;
}

export interface ReadMail {
  readonly uid: number;
  readonly item: FetchedItem;
  /** False where only its headers could be had. */
  readonly isWhole: boolean;
}

export interface Place {
  readonly client: ImapFlow;
  readonly call: ImapCall;
  readonly folder: string;
  readonly mailbox: { readonly uidValidity: bigint };
}

const BY_UID = { uid: true };

/** Sizes and times of mails, by rising UID; those gone meanwhile are left out. */
export async function listMails(client: ImapFlow, uids: readonly number[]): Promise<ListedMail[]> {
  const asked = new Set(uids);
  const listed = new Map<number, ListedMail>(); // a server may tell of one mail twice
  const query = { uid: true, size: true, internalDate: true, flags: true };
  for await (const mail of client.fetch(sequenceSet(uids), query, BY_UID)) {
    if (!asked.has(mail.uid)) continue;
    const received = new Date(mail.internalDate ?? Number.NaN);
    listed.set(mail.uid, {
      uid: mail.uid,
      size: mail.size ?? 0,
      receivedAt: Number.isNaN(received.getTime()) ? new Date() : received,
      flags: mail.flags ?? new Set(),
    });
  }
  return [...listed.values()].sort((a, b) => a.uid - b.uid);
}

/**
 * The mails' bytes. Of one too large, or one that the server can't give, what can be had: its headers, with the
 * reason in `meta`; so that it is seen, and blocks nothing behind it.
 */
export async function readMails(place: Place, mails: readonly ListedMail[]): Promise<ReadMail[]> {
  const most = place.call.maxBytes ?? DEFAULT_MAX_BYTES;
  const sources = await readSources(
    place.client,
    mails.filter((mail) => mail.size <= most).map((mail) => mail.uid),
  );
  const items: ReadMail[] = [];
  for (const mail of mails) {
    const source = sources.get(mail.uid);
    if (source) items.push(item(place, mail, source, {}));
    else if (mail.size > most)
      items.push(item(place, mail, await readHeaders(place.client, mail.uid), { oversize: true }));
    else items.push(...(await readAlone(place, mail)));
  }
  return items;
}

async function readSources(
  client: ImapFlow,
  uids: readonly number[],
): Promise<Map<number, Buffer>> {
  const sources = new Map<number, Buffer>();
  if (uids.length === 0) return sources;
  try {
    const query = { uid: true, source: true };
    for await (const mail of client.fetch(sequenceSet(uids), query, BY_UID)) {
      if (mail.source) sources.set(mail.uid, mail.source);
    }
  } catch (error) {
    // A server that chokes on one mail refuses the whole command: the rest is asked for one by one.
    if (!isRefusal(error)) throw error;
  }
  return sources;
}

/** A mail that did not come with the others: gone (nothing), or one that the server can't give. */
async function readAlone(place: Place, mail: ListedMail): Promise<ReadMail[]> {
  try {
    const found = await place.client.fetchOne(
      String(mail.uid),
      { uid: true, source: true },
      BY_UID,
    );
    if (!found) return [];
    if (found.source) return [item(place, mail, found.source, {})];
    return [await unreadable(place, mail, 'The server names the mail but gives no content.')];
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return [await unreadable(place, mail, serverWords(error.responseText ?? error.message))];
  }
}

async function unreadable(place: Place, mail: ListedMail, reason: string): Promise<ReadMail> {
  const headers = await readHeaders(place.client, mail.uid);
  return item(place, mail, headers, { unreadable: reason });
}

async function readHeaders(client: ImapFlow, uid: number): Promise<Buffer> {
  try {
    const found = await client.fetchOne(String(uid), { uid: true, headers: true }, BY_UID);
    return (found && found.headers) || Buffer.alloc(0);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return Buffer.alloc(0);
  }
}

/** The server answered NO or BAD; the connection goes on. */
function isRefusal(error: unknown): error is Error & { responseText?: string } {
  return ['NO', 'BAD'].includes((error as { responseStatus?: string }).responseStatus ?? '');
}

/** @param missing why the mail is not whole; empty where it is */
function item(
  { folder, mailbox }: Place,
  mail: ListedMail,
  source: Buffer,
  missing: Record<string, unknown>,
): ReadMail {
  const isWhole = Object.keys(missing).length === 0;
  return {
    uid: mail.uid,
    isWhole,
    item: {
      providerMessageId: `${folder}/${mailbox.uidValidity}/${mail.uid}`,
      source,
      receivedAt: mail.receivedAt,
      meta: { folder, ...(isWhole ? {} : { ...missing, size: mail.size }) },
    },
  };
}

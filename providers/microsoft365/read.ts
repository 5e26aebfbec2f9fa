import { ProviderFailure } from '../../domain/failure.ts';
import type { FetchedItem } from '../contract.ts';
import type { Graph } from './client.ts';
import { timeOf, type ListedMail } from './listing.ts';

const DEFAULT_MAX_BYTES = 50 * 1024 * 1024;
const PERMISSION = 'Mail.Read';
/** As many as Graph serves of one mailbox at a time. */
const AHEAD = 4;
/** Bound of what one batch holds in memory; a mail larger than this ends its batch. */
const BATCH_BYTES = 16 * 1024 * 1024;

export interface ReadMail {
  readonly mail: ListedMail;
  /** Null where it is stored already, or gone meanwhile. */
  readonly item: FetchedItem | null;
}

/**
 * The mails' bytes, but of those `stored` already, in their order, in batches of at most `most`. What was read before a failure is given before it
 * is thrown, so that each try gets further. @throws ProviderFailure
 */
export async function* readMails(
  graph: Graph,
  folder: string,
  mails: readonly ListedMail[],
  most: number,
  stored: ReadonlySet<string> = new Set(),
): AsyncGenerator<readonly ReadMail[]> {
  const started: Promise<ReadMail>[] = [];
  let next = 0;
  let batch: ReadMail[] = [];
  let bytes = 0;
  try {
    for (const _mail of mails) {
      while (next < mails.length && started.length < AHEAD)
        started.push(handled(readUnlessStored(mails[next++]!)));
      const read = await started.shift()!;
      batch.push(read);
      bytes += Buffer.isBuffer(read.item?.source) ? read.item.source.length : 0;
      if (batch.length < most && bytes < BATCH_BYTES) continue;
      yield batch;
      batch = [];
      bytes = 0;
    }
  } catch (error) {
    await Promise.allSettled(started);
    if (batch.length > 0) yield batch;
    throw error;
  }
  if (batch.length > 0) yield batch;

  async function readUnlessStored(mail: ListedMail): Promise<ReadMail> {
    return stored.has(mail.id) ? { mail, item: null } : readMail(graph, folder, mail);
  }
}

/** It is awaited in its turn; a failure before that is not unhandled. */
function handled<T>(work: Promise<T>): Promise<T> {
  work.catch(() => undefined);
  return work;
}

async function readMail(graph: Graph, folder: string, mail: ListedMail): Promise<ReadMail> {
  const path = `${graph.mailbox}/messages/${encodeURIComponent(mail.id)}`;
  try {
    const { source, isWhole } = await readBounded(graph, `${path}/$value`);
    return { mail, item: item(mail, folder, source, isWhole ? {} : { oversize: true }) };
  } catch (error) {
    if (!(error instanceof ProviderFailure)) throw error;
    if (error.code === 'microsoft365.not_found') return { mail, item: null };
    if (!isOfThisMailAlone(error)) throw error;
    // The item's other data can be had: it is this mail that is damaged, and it blocks none behind it.
    const source = await readHeaders(graph, path);
    return { mail, item: source && item(mail, folder, source, { unreadable: error.message }) };
  }
}

function isOfThisMailAlone({ code, status }: ProviderFailure): boolean {
  return (
    code === 'microsoft365.server_error' ||
    code.startsWith('microsoft365.refused_') ||
    status === 413
  );
}

function item(
  mail: ListedMail,
  folder: string,
  source: Buffer,
  missing: Record<string, unknown>,
): FetchedItem {
  const received = new Date(timeOf(mail));
  return {
    providerMessageId: mail.id,
    source,
    receivedAt: received.getTime() > 0 ? received : new Date(),
    meta: { folder, ...missing },
  };
}

/** MIME (https://learn.microsoft.com/graph/outlook-get-mime-message); of a mail too large only its headers. */
async function readBounded(
  graph: Graph,
  path: string,
): Promise<{ source: Buffer; isWhole: boolean }> {
  const most = graph.call.maxBytes ?? DEFAULT_MAX_BYTES;
  return graph.read({ method: 'GET', path, permission: PERMISSION }, async (body) => {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of body) {
      chunks.push(chunk);
      bytes += chunk.length;
      // Left here, the rest is not transferred.
      if (bytes > most) return { source: headersOf(Buffer.concat(chunks)), isWhole: false };
    }
    return { source: Buffer.concat(chunks), isWhole: true };
  });
}

function headersOf(mail: Buffer): Buffer {
  const end = mail.indexOf('\r\n\r\n');
  return end === -1 ? mail.subarray(0, 64 * 1024) : mail.subarray(0, end + 4);
}

interface Headers {
  readonly internetMessageHeaders?: readonly { readonly name: string; readonly value: string }[];
}

/** Null where the mail is gone. */
async function readHeaders(graph: Graph, path: string): Promise<Buffer | null> {
  try {
    const { internetMessageHeaders = [] } = await graph.ask<Headers>({
      method: 'GET',
      path: `${path}?$select=internetMessageHeaders`,
      permission: PERMISSION,
    });
    const lines = internetMessageHeaders.map(({ name, value }) => `${name}: ${value}\r\n`);
    return Buffer.from(`${lines.join('')}\r\n`);
  } catch (error) {
    if (error instanceof ProviderFailure && error.code === 'microsoft365.not_found') return null;
    throw error;
  }
}

import { ProviderFailure } from '../../domain/failure.ts';
import type { FetchedItem } from '../contract.ts';
import type { Graph } from './client.ts';
import { timeOf, type ListedMail } from './listing.ts';

const DEFAULT_MAX_BYTES = 50 * 1024 * 1024;
const PERMISSION = 'Mail.Read';

/** By a request of its own. @returns null where it is gone. @throws ProviderFailure */
export async function readMail(
  graph: Graph,
  folder: string,
  mail: ListedMail,
): Promise<FetchedItem | null> {
  const path = mailPath(graph, mail);
  try {
    const { source, isWhole } = await readBounded(graph, `${path}/$value`);
    return item(mail, folder, source, isWhole ? {} : { oversize: true });
  } catch (error) {
    if (!(error instanceof ProviderFailure)) throw error;
    if (error.code === 'microsoft365.not_found') return null;
    if (!isOfThisMailAlone(error)) throw error;
    // The item's other data can be had: it is this mail that is damaged, and it blocks none behind it.
    const source = await readHeaders(graph, path);
    return source && item(mail, folder, source, { unreadable: error.message });
  }
}

function isOfThisMailAlone({ code, status }: ProviderFailure): boolean {
  return (
    code === 'microsoft365.server_error' ||
    code.startsWith('microsoft365.refused_') ||
    status === 413
  );
}

/** Its bytes, as a batch brought them. */
export function broughtMail(
  graph: Graph,
  folder: string,
  mail: ListedMail,
  source: Buffer,
): FetchedItem {
  if (source.length <= mostBytes(graph)) return item(mail, folder, source, {});
  return item(mail, folder, headersOf(source), { oversize: true });
}

export function mailPath(graph: Graph, { id }: ListedMail): string {
  return `${graph.mailbox}/messages/${encodeURIComponent(id)}`;
}

function mostBytes({ call }: Graph): number {
  return call.maxBytes ?? DEFAULT_MAX_BYTES;
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
  const most = mostBytes(graph);
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
  // A copy: a part of it would keep the whole in memory.
  return Buffer.from(mail.subarray(0, end === -1 ? 64 * 1024 : end + 4));
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

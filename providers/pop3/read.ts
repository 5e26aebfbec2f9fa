import type { Readable } from 'node:stream';
import { serverWords } from '../connect.ts';
import type { FetchedItem } from '../contract.ts';
import { datesOf } from './dates.ts';
import type { ListedMail } from './listing.ts';
import { Pop3Lost, Pop3Refusal, type Pop3Session } from './session.ts';

/** How much longer a mail may be than the most that is taken: servers count its line ends differently. */
const SLACK_BYTES = 8 * 1024 * 1024;
const HEADER_BYTES = 4 * 1024 * 1024;

/** A mail's bytes, or why they can't be had. @throws Pop3Lost also where it does not end in time */
export async function readWhole(
  session: Pop3Session,
  mail: ListedMail,
  most: number,
): Promise<Buffer | { readonly refused: string }> {
  try {
    const [, content] = await session.command('RETR', mail.numbers[0]!);
    return await collected(session, content, most + SLACK_BYTES);
  } catch (error) {
    // Not now is no word on the mail.
    if (!(error instanceof Pop3Refusal) || error.code === 'SYS/TEMP') throw error;
    return { refused: serverWords(error.message) || 'The server does not give it.' };
  }
}

/** Its headers alone; empty with a server that has no TOP, which is optional (RFC 1939 §7). */
export async function readHeaders(session: Pop3Session, mail: ListedMail): Promise<Buffer> {
  try {
    const [, content] = await session.command('TOP', mail.numbers[0]!, 0);
    return await collected(session, content, HEADER_BYTES);
  } catch (error) {
    if (!(error instanceof Pop3Refusal)) throw error;
    return Buffer.alloc(0);
  }
}

async function collected(session: Pop3Session, content: Readable, most: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of content as AsyncIterable<Buffer>) {
    pieces.push(piece);
    length += piece.length;
    if (length <= most) continue;
    session.destroy();
    throw new Pop3Lost('The server sends far more than it announced.');
  }
  return Buffer.concat(pieces, length);
}

/** @param missing why the mail is not whole; left out where it is */
export function itemOf(
  account: string,
  mail: ListedMail,
  source: Buffer,
  missing?: Readonly<Record<string, unknown>>,
): FetchedItem {
  return {
    providerMessageId: messageIdOf(account, mail.id),
    source,
    receivedAt: receivedAt(source),
    ...(missing && { meta: { ...missing, size: mail.size } }),
  };
}

export function messageIdOf(account: string, id: string): string {
  return `${account}/${id}`;
}

function receivedAt(source: Buffer): Date {
  const now = new Date();
  const { received, sent } = datesOf(source);
  const told = received ?? sent ?? now;
  return told < now ? told : now;
}

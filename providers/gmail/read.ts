import { ProviderFailure } from '../../domain/failure.ts';
import { serverWords } from '../connect.ts';
import type { FetchedItem } from '../contract.ts';
import { withHeartbeats } from '../heartbeats.ts';
import type { GmailCall } from './call.ts';
import { MOST_AT_ONCE, type Ask, type gmail_v1 } from './client.ts';
import { isLeftOut, type LabelFilter } from './labels.ts';
import { UNITS } from './quota.ts';
import { AnswerTooLarge } from './transport.ts';

export interface Place {
  readonly call: GmailCall;
  readonly ask: Ask;
  readonly filter: LabelFilter;
}

type Message = gmail_v1.Schema$Message;

const FIELDS = 'id,threadId,labelIds,historyId,internalDate,sizeEstimate';
/** A mail that Gmail fails at again and again, while it gives its headers, would hold up all behind it. */
const ROUNDS = 2;

/**
 * One mail with its bytes; null where it is gone meanwhile, or is none of a customer's. Of one too large, or one that
 * Gmail can't give, its headers, with the reason in `meta`. @throws ProviderFailure
 */
export async function readMail(
  place: Place,
  id: string,
  isWanted: (mail: Message) => boolean = () => true,
): Promise<FetchedItem | null> {
  let reason = '';
  for (let round = 1; round <= ROUNDS; round++) {
    try {
      const mail = await getMessage(place, id, { format: 'raw', fields: `${FIELDS},raw` });
      if (!mail || isLeftOut(mail.labelIds) || !isWanted(mail)) return null;
      if (mail.raw != null) return item(mail, Buffer.from(mail.raw, 'base64url'), {});
      reason = 'Gmail names the mail but gives no content.';
    } catch (error) {
      if (error instanceof AnswerTooLarge) return await withHeaders(place, id, { oversize: true });
      if (!isAboutThisMail(error)) throw error;
      reason = serverWords(error.message);
    }
  }
  return withHeaders(place, id, { unreadable: reason });
}

/** The server failed, or refused, at what was asked: others may go well. */
function isAboutThisMail(error: unknown): error is ProviderFailure {
  return (
    error instanceof ProviderFailure &&
    ((error.code === 'gmail.unavailable' && error.status === 500) || error.code === 'gmail.refused')
  );
}

async function withHeaders(
  place: Place,
  id: string,
  missing: Record<string, unknown>,
): Promise<FetchedItem | null> {
  const mail = await getMessage(place, id, {
    format: 'metadata',
    fields: `${FIELDS},payload(headers)`,
  });
  if (!mail || isLeftOut(mail.labelIds)) return null;
  const lines = (mail.payload?.headers ?? []).map(({ name, value }) => `${name}: ${value}\r\n`);
  const headers = Buffer.from(`${lines.join('')}\r\n`);
  return item(mail, headers, { ...missing, size: mail.sizeEstimate ?? 0 });
}

/** Null where it is gone. */
export async function getMessage(
  { ask }: Pick<Place, 'ask'>,
  id: string,
  asked: { format: 'raw' | 'metadata' | 'minimal'; fields: string; metadataHeaders?: string[] },
): Promise<Message | null> {
  try {
    return await ask(
      UNITS.get,
      (api, options) => api.users.messages.get({ userId: 'me', id, ...asked }, options),
      'free',
    );
  } catch (error) {
    if (error instanceof ProviderFailure && error.code === 'gmail.not_found') return null;
    throw error;
  }
}

function item(mail: Message, source: Buffer, missing: Record<string, unknown>): FetchedItem {
  return {
    providerMessageId: mail.id!,
    source,
    receivedAt: receivedAt(mail),
    meta: { thread_id: mail.threadId, label_ids: mail.labelIds ?? [], ...missing },
  };
}

const KNOWN_AT_ONCE = 1000;

/** Those that the channel has not stored already: they need not be read again. */
export async function unknownOf({ call }: Place, ids: readonly string[]): Promise<string[]> {
  const unknown: string[] = [];
  for (let from = 0; from < ids.length; from += KNOWN_AT_ONCE) {
    const some = ids.slice(from, from + KNOWN_AT_ONCE);
    const known = await call.known?.(some);
    unknown.push(...some.filter((id) => !known?.has(id)));
  }
  return unknown;
}

export function receivedAt({ internalDate }: Message): Date {
  const received = new Date(Number(internalDate ?? Number.NaN));
  return Number.isNaN(received.getTime()) ? new Date() : received;
}

/** How many bytes of mail are read at once, as far as can be told before they are. */
const BYTES_AT_ONCE = 32 * 1024 * 1024;

/** Reads mails side by side and hands them on in their order; the larger the last ones were, the fewer at once. */
export async function* inOrder(
  { call }: Place,
  ids: readonly string[],
  read: (id: string) => Promise<FetchedItem | null>,
): AsyncGenerator<FetchedItem | null> {
  const running: Promise<FetchedItem | null>[] = [];
  let next = 0;
  let largest = 0;
  try {
    while (next < ids.length || running.length > 0) {
      const width = Math.max(1, Math.min(MOST_AT_ONCE, Math.floor(BYTES_AT_ONCE / (largest + 1))));
      while (running.length < width && next < ids.length) {
        const reading = read(ids[next++]!);
        reading.catch(() => {}); // awaited in its turn; without this an earlier failure leaves it unhandled
        running.push(reading);
      }
      const found = await withHeartbeats(call, () => running.shift()!);
      const size = found && Buffer.isBuffer(found.source) ? found.source.length : 0;
      largest = Math.max(size, Math.floor(largest * 0.8));
      yield found;
    }
  } finally {
    await Promise.allSettled(running);
  }
}

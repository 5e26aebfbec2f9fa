import { ProviderFailure } from '../../domain/failure.ts';
import { serverWords } from '../connect.ts';
import type { FetchedItem } from '../contract.ts';
import { DEFAULT_MAX_BYTES, type GmailCall } from './call.ts';
import type { Ask, gmail_v1 } from './client.ts';
import { isLeftOut, type LabelFilter } from './labels.ts';
import { UNITS } from './quota.ts';
import { AnswerTooLarge } from './transport.ts';

export interface Place {
  readonly call: GmailCall;
  readonly ask: Ask;
  readonly filter: LabelFilter;
}

type Message = gmail_v1.Schema$Message;

const FIELDS = 'id,threadId,labelIds,internalDate,sizeEstimate';
export const RAW = { format: 'raw', fields: `${FIELDS},raw` } as const;
/** A mail that Gmail fails at again and again, while it gives its headers, would hold up all behind it. */
const ROUNDS = 2;

/** What is wanted of a mail beside that it is a customer's. */
export type Wanted = (mail: Message) => boolean;

/**
 * One mail with its bytes; null where it is gone meanwhile, or is none of a customer's. Of one too large, or one that
 * Gmail can't give, its headers, with the reason in `meta`. @throws ProviderFailure
 */
export async function readMail(
  place: Place,
  id: string,
  isWanted: Wanted,
): Promise<FetchedItem | null> {
  let reason = '';
  for (let round = 1; round <= ROUNDS; round++) {
    try {
      const mail = await getMessage(place, id, RAW);
      if (!mail) return null;
      if (mail.raw != null) return await asItem(place, mail, mail.raw, isWanted);
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

/** A mail that was read; null where it is none of a customer's, or not wanted. */
export async function asItem(
  place: Place,
  mail: Message,
  raw: string,
  isWanted: Wanted,
): Promise<FetchedItem | null> {
  if (isLeftOut(mail.labelIds) || !isWanted(mail)) return null;
  const source = Buffer.from(raw, 'base64url');
  const isTooLarge = source.length > (place.call.maxBytes ?? DEFAULT_MAX_BYTES);
  return isTooLarge ? withHeaders(place, mail.id!, { oversize: true }) : item(mail, source, {});
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

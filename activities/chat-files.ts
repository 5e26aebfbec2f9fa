import { addAbortSignal } from 'node:stream';
import { fileTypeFromBuffer } from 'file-type';
import type { Db } from '../db/connection.ts';
import { noticingRefusals } from '../db/noticing-refusals.ts';
import { BlobTooLarge, hashOf, type StoredBlob } from '../db/queries/blobs.ts';
import type { LoadedChannel } from '../db/queries/channels.ts';
import type { MissingMedia } from '../db/queries/ingest-item.ts';
import type { MediaReference } from '../domain/chat.ts';
import { toldType } from '../domain/file-type.ts';
import { ProviderFailure } from '../domain/failure.ts';
import { nameAttachment } from '../domain/mail/filenames.ts';
import type { ParsedAttachment } from '../domain/mail/parse.ts';
import { standingRefusal } from '../domain/refusal.ts';
import type { ChatProvider } from '../providers/chat-provider.ts';
import { classified } from '../providers/classified.ts';
import type { ProviderCall } from '../providers/contract.ts';
import { measuredCall } from '../telemetry/provider-calls.ts';
import { keepBytes, type KeptBytes } from './attachment-bytes.ts';
import type { Deps } from './deps.ts';

/** A file of a message, with its bytes in memory or where they were put. */
export interface FetchedFile {
  readonly file: ParsedAttachment;
  readonly content: Buffer | StoredBlob;
  /** What is odd about it, in plain words. */
  readonly note: string | null;
}

/** Of these a type is told; in most formats the first few bytes say it. */
const HEAD_BYTES = 65_536;
const MAX_BYTES = 50 * 1_048_576;
const FIRST_RETRY_MS = 30_000;
const LONGEST_RETRY_MS = 3_600_000;
const REAUTHENTICATE_RETRY_MS = 10 * 60_000;
/** Tries spread over about a day; vendors keep files for some days. */
const MOST_ATTEMPTS = 24;
/** What differs from the vendor's own hash so often is what the vendor has. */
const TRUSTED_AFTER = 3;

export interface FileAttempt {
  readonly position: number;
  /** From 1. */
  readonly attempt: number;
  readonly timeoutMs: number;
}

/** Fetches one file, unless the vendor refused another a moment ago. @throws ProviderFailure where it can't be had */
export async function fetchUnlessRefused(
  deps: Deps,
  channel: LoadedChannel,
  provider: ChatProvider,
  call: ProviderCall<unknown>,
  media: MediaReference,
  attempt: FileAttempt,
): Promise<FetchedFile> {
  const refusal = standingRefusal(channel, 'file', new Date());
  if (refusal)
    throw new ProviderFailure({
      code: refusal.type,
      class: 'reauthenticate',
      message: refusal.detail,
    });
  return noticingRefusals(deps, channel, 'file', () =>
    fetchFile(deps.db, provider, call, media, attempt),
  );
}

/**
 * Fetches one file within bounded time and size, and tells its type from its bytes.
 * @throws ProviderFailure where it can't be had; anything else is our own trouble
 */
async function fetchFile(
  db: Db,
  provider: ChatProvider,
  call: ProviderCall<unknown>,
  media: MediaReference,
  { position, attempt, timeoutMs }: FileAttempt,
): Promise<FetchedFile> {
  const limit = call.maxBytes ?? MAX_BYTES;
  return measuredCall(provider.manifest.name, 'file', async () => {
    const { content, head, claimed } = await bytesOf(db, provider, call, media, timeoutMs, limit);
    const { sha256: hash, size } = measure(content);
    const sha256 = hash.toString('hex');
    const isAsClaimed = media.sha256 === null || media.sha256.toLowerCase() === sha256;
    if (!isAsClaimed && attempt < TRUSTED_AFTER) throw corrupt();
    const start = head.subarray(0, HEAD_BYTES);
    const detected = (await fileTypeFromBuffer(start))?.mime ?? null;
    const { contentType, note } = toldType(claimed, detected, start);
    const filename = nameAttachment(
      {
        filename: media.filename,
        contentLocation: null,
        contentId: null,
        contentType,
        nestedSubject: null,
      },
      position + 1,
    );
    return {
      content,
      note: isAsClaimed ? note : 'Its hash differs from what the vendor says.',
      file: {
        index: position,
        filename,
        contentType,
        size,
        sha256,
        inline: media.inline,
        contentId: null,
        content: null,
      },
    };
  });
}

/** @throws ProviderFailure for whatever goes wrong at the vendor's end, however it goes wrong there */
async function bytesOf(
  db: Db,
  { chat }: ChatProvider,
  call: ProviderCall<unknown>,
  media: MediaReference,
  timeoutMs: number,
  limit: number,
): Promise<KeptBytes & { readonly claimed: string | null }> {
  const late = AbortSignal.timeout(timeoutMs);
  const signal = AbortSignal.any([call.signal, late]);
  const failed = (error: unknown) => {
    call.signal.throwIfAborted();
    return classified(error) ?? (late.aborted ? tooSlow(timeoutMs) : interrupted(error));
  };
  const { content, contentType } = await chat
    .fetchMedia({ ...call, signal }, media)
    .catch((error: unknown) => {
      throw failed(error);
    });
  async function* theirs() {
    try {
      yield* addAbortSignal(signal, content) as AsyncIterable<Buffer>;
    } catch (error) {
      throw failed(error);
    }
  }
  try {
    const kept = await keepBytes(db, call.channel.tenantId, theirs(), limit);
    return { ...kept, claimed: media.contentType ?? contentType };
  } catch (error) {
    throw error instanceof BlobTooLarge ? tooLarge(limit) : error;
  }
}

/** Hash and size of bytes in memory, or as they were when they were put. */
function measure(content: Buffer | StoredBlob): StoredBlob {
  return Buffer.isBuffer(content) ? { sha256: hashOf(content), size: content.length } : content;
}

function corrupt(): ProviderFailure {
  return new ProviderFailure({
    code: 'media.corrupt',
    class: 'retry',
    message: 'The file that came differs from what the vendor says of it.',
  });
}

function tooLarge(limit: number): ProviderFailure {
  return new ProviderFailure({
    code: 'media.too_large',
    class: 'give_up',
    message: `The file is larger than the ${Math.floor(limit / 1_048_576)} MiB that are kept.`,
  });
}

function tooSlow(timeoutMs: number): ProviderFailure {
  return new ProviderFailure({
    code: 'media.timeout',
    class: 'retry',
    message: `The file did not come within ${timeoutMs / 1000} seconds.`,
  });
}

function interrupted(cause: unknown): ProviderFailure {
  return new ProviderFailure(
    { code: 'media.interrupted', class: 'retry', message: 'The file broke off on its way.' },
    { cause },
  );
}

/** A file that could not be fetched: when it is tried again, or that it will not be. */
export function missingAfter(
  failure: ProviderFailure,
  reference: MediaReference,
  { position, attempt }: Pick<FileAttempt, 'position' | 'attempt'>,
): MissingMedia {
  const error = { code: failure.code, detail: failure.message };
  const isOver = failure.class === 'give_up' || attempt >= MOST_ATTEMPTS;
  const backOff = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempt - 1, 10));
  const wait =
    failure.class === 'reauthenticate'
      ? Math.max(REAUTHENTICATE_RETRY_MS, backOff)
      : (failure.retryAfterMs ?? backOff);
  const nextAt = isOver ? null : new Date(Date.now() + wait);
  return { position, reference, attempts: attempt, error, nextAt };
}

import type { Db } from '../db/connection.ts';
import { BlobTooLarge, putBlob, type StoredBlob } from '../db/queries/blobs.ts';
import type { TenantId } from '../domain/ids.ts';
import type { AttachmentSink } from '../domain/mail/parse.ts';

/** An attachment up to this is kept in memory until its batch is stored; a larger one is streamed to the database. */
const HELD_BYTES = 1_048_576;

/** Small attachments are stored with their message; a large one streams to the database as it is decoded. */
export function keepAttachments(
  db: Db,
  tenantId: TenantId,
  contents: (Buffer | StoredBlob)[],
): AttachmentSink {
  return async ({ index }, content) => {
    contents[index] = (await keepBytes(db, tenantId, content as AsyncIterable<Buffer>)).content;
  };
}

export interface KeptBytes {
  readonly content: Buffer | StoredBlob;
  /** What came first of it: all where it is small. */
  readonly head: Buffer;
}

/** @throws BlobTooLarge beyond `limit` bytes. */
export async function keepBytes(
  db: Db,
  tenantId: TenantId,
  content: AsyncIterable<Buffer>,
  limit = Number.POSITIVE_INFINITY,
): Promise<KeptBytes> {
  const iterator = content[Symbol.asyncIterator]();
  const held: Buffer[] = [];
  let size = 0;
  while (size <= HELD_BYTES) {
    const next = await iterator.next();
    if (next.done) {
      if (size > limit) throw new BlobTooLarge(limit);
      const bytes = Buffer.concat(held);
      return { content: bytes, head: bytes };
    }
    held.push(next.value);
    size += next.value.length;
  }
  const head = Buffer.concat(held);
  return { content: await putBlob(db, tenantId, joined([head], iterator), limit), head };
}

async function* joined(
  held: readonly Buffer[],
  rest: AsyncIterator<Buffer>,
): AsyncGenerator<Buffer> {
  yield* held;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}

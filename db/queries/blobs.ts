import { createHash, randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import { sql } from 'kysely';
import type { TenantId } from '../../domain/ids.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import { asBytea, insertion } from './insert-rows.ts';

/** Chunks are rows of this many bytes: read and written one at a time, whatever the size of the whole. */
const CHUNK_BYTES = 1_048_576;

export interface StoredBlob {
  readonly sha256: Buffer;
  readonly size: number;
}

/** More bytes came than the limit allows; nothing of them is kept. */
export class BlobTooLarge extends Error {
  override name = 'BlobTooLarge';
  readonly limit: number;
  constructor(limit: number) {
    super(`More than the ${limit} bytes that are allowed.`);
    this.limit = limit;
  }
}

export function hashOf(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}

/**
 * Stores bytes once per tenant and content; memory holds one chunk at a time. Committed when it returns.
 * @throws BlobTooLarge beyond `limit` bytes.
 */
export async function putBlob(
  db: Db,
  tenantId: TenantId,
  source: Buffer | Readable | AsyncIterable<Buffer>,
  limit = Number.POSITIVE_INFINITY,
): Promise<StoredBlob> {
  const chunks = inChunks(source, limit);
  const first = await chunks.next();
  const second = first.done ? first : await chunks.next();
  if (second.done) {
    const bytes = first.done ? Buffer.alloc(0) : first.value;
    const [blob] = await inTenant(db, tenantId, (tx) => insertBlobs(tx, tenantId, [{ bytes }]));
    return blob!;
  }
  return putLarge(db, tenantId, first.value!, second.value, chunks);
}

/** Bytes, with their hash where it is known already. */
export interface NewBlob {
  readonly bytes: Buffer;
  readonly sha256?: Buffer;
}

/** Stores small contents in the caller's transaction, all in two statements; known ones are not sent again. */
export async function insertBlobs(
  tx: Tx,
  tenantId: TenantId,
  contents: readonly NewBlob[],
): Promise<StoredBlob[]> {
  const blobs = contents.map(measured);
  const unique = distinct(blobs);
  if (unique.length === 0) return [];
  const fresh = (await blobRows(tenantId, unique).execute(tx)).rows;
  const wanted = new Set(fresh.map((row) => row.sha256.toString('hex')));
  const missing = unique.filter((blob) => wanted.has(blob.sha256.toString('hex')));
  if (missing.length > 0) await chunkRows(tx, tenantId, missing).execute();
  return blobs.map(({ sha256, size }) => ({ sha256, size }));
}

/** A content in memory, with its hash. */
export interface MeasuredBlob extends StoredBlob {
  readonly bytes: Buffer;
}

export function measured({ bytes, sha256 }: NewBlob): MeasuredBlob {
  return { sha256: sha256 ?? hashOf(bytes), size: bytes.length, bytes };
}

/** The statements that store small contents, to be sent with others. */
export function blobInsertions(db: Db, tenantId: TenantId, blobs: readonly MeasuredBlob[]) {
  const unique = distinct(blobs);
  return unique.length === 0 ? [] : [blobRows(tenantId, unique), chunkRows(db, tenantId, unique)];
}

/** Each content once, in the one order in which all store them: who waits for whom is never a circle. */
function distinct(blobs: readonly MeasuredBlob[]): MeasuredBlob[] {
  const byHash = new Map(blobs.map((blob) => [blob.sha256.toString('hex'), blob]));
  return [...byHash.values()].sort((a, b) => a.sha256.compare(b.sha256));
}

function blobRows(tenantId: TenantId, blobs: readonly MeasuredBlob[]) {
  return insertion<{ sha256: Buffer }>(
    'blobs',
    blobs.map(({ sha256, size }) => ({
      tenant_id: tenantId,
      sha256: asBytea(sha256),
      size,
      complete: true,
    })),
    sql`on conflict do nothing returning sha256`,
  );
}

function chunkRows(db: Db, tenantId: TenantId, blobs: readonly MeasuredBlob[]) {
  const rows = blobs.flatMap(({ sha256, bytes }) =>
    pieces(bytes).map((piece, seq) => ({ tenant_id: tenantId, sha256, seq, bytes: piece })),
  );
  return db
    .insertInto('blob_chunks')
    .values(rows)
    .onConflict((oc) => oc.doNothing());
}

/** Reads a blob chunk by chunk. */
export async function* readBlob(
  db: Db,
  tenantId: TenantId,
  sha256: Buffer,
): AsyncGenerator<Buffer> {
  for (let seq = 0; ; seq += 1) {
    const row = await inTenant(db, tenantId, (tx) =>
      tx
        .selectFrom('blob_chunks')
        .select('bytes')
        .where('tenant_id', '=', tenantId)
        .where('sha256', '=', sha256)
        .where('seq', '=', seq)
        .executeTakeFirst(),
    );
    if (!row) return;
    yield row.bytes;
    if (row.bytes.length < CHUNK_BYTES) return;
  }
}

/** Whole contents of several blobs at once, keyed by hex hash: for batches of small sources. */
export async function readBlobs(
  tx: Tx,
  tenantId: TenantId,
  hashes: readonly Buffer[],
): Promise<Map<string, Buffer>> {
  if (hashes.length === 0) return new Map();
  const rows = await tx
    .selectFrom('blob_chunks')
    .select(['sha256', 'bytes'])
    .where('tenant_id', '=', tenantId)
    .where('sha256', 'in', [...hashes])
    .orderBy('sha256')
    .orderBy('seq')
    .execute();
  const found = Map.groupBy(rows, (row) => row.sha256.toString('hex'));
  return new Map(
    [...found].map(([hash, chunks]) => [
      hash,
      chunks.length === 1 ? chunks[0]!.bytes : Buffer.concat(chunks.map((chunk) => chunk.bytes)),
    ]),
  );
}

/** Removes uploads that a crash left unfinished for a day. */
export async function sweepUnfinishedBlobs(db: Db, tenantId: TenantId): Promise<void> {
  await inTenant(db, tenantId, (tx) =>
    tx
      .deleteFrom('blobs')
      .where('tenant_id', '=', tenantId)
      .where('complete', '=', false)
      .where('created_at', '<', sql<Date>`now() - interval '1 day'`)
      .execute(),
  );
}

/** The hash is known only at the end: chunks are written under a random stand-in, which one transaction then renames. */
async function putLarge(
  db: Db,
  tenantId: TenantId,
  first: Buffer,
  second: Buffer,
  rest: AsyncGenerator<Buffer, void>,
): Promise<StoredBlob> {
  const standIn = randomBytes(32);
  const hash = createHash('sha256');
  let size = 0;
  let seq = 0;
  const write = async (bytes: Buffer) => {
    hash.update(bytes);
    size += bytes.length;
    await inTenant(db, tenantId, (tx) =>
      tx
        .insertInto('blob_chunks')
        .values({ tenant_id: tenantId, sha256: standIn, seq: seq++, bytes })
        .execute(),
    );
  };
  const discard = () =>
    inTenant(db, tenantId, (tx) =>
      tx
        .deleteFrom('blobs')
        .where('tenant_id', '=', tenantId)
        .where('sha256', '=', standIn)
        .execute(),
    );
  await inTenant(db, tenantId, (tx) =>
    tx.insertInto('blobs').values({ tenant_id: tenantId, sha256: standIn, size: 0 }).execute(),
  );
  try {
    await write(first);
    await write(second);
    for await (const bytes of rest) await write(bytes);
    const sha256 = hash.digest();
    await inTenant(db, tenantId, async (tx) => {
      const fresh = await tx
        .insertInto('blobs')
        .values({ tenant_id: tenantId, sha256, size, complete: true })
        .onConflict((oc) => oc.doNothing())
        .returning('sha256')
        .executeTakeFirst();
      if (fresh) {
        await tx
          .updateTable('blob_chunks')
          .set({ sha256 })
          .where('tenant_id', '=', tenantId)
          .where('sha256', '=', standIn)
          .execute();
      }
      await tx
        .deleteFrom('blobs')
        .where('tenant_id', '=', tenantId)
        .where('sha256', '=', standIn)
        .execute();
    });
    return { sha256, size };
  } catch (error) {
    await discard();
    throw error;
  }
}

function pieces(bytes: Buffer): Buffer[] {
  const count = Math.max(1, Math.ceil(bytes.length / CHUNK_BYTES));
  return Array.from({ length: count }, (_, index) =>
    bytes.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES),
  );
}

async function* inChunks(
  source: Buffer | Readable | AsyncIterable<Buffer>,
  limit: number,
): AsyncGenerator<Buffer, void> {
  if (Buffer.isBuffer(source)) {
    if (source.length > limit) throw new BlobTooLarge(limit);
    yield* pieces(source);
    return;
  }
  let waiting: Buffer[] = [];
  let length = 0;
  let total = 0;
  for await (const bytes of source as AsyncIterable<Buffer>) {
    waiting.push(bytes);
    length += bytes.length;
    total += bytes.length;
    if (total > limit) throw new BlobTooLarge(limit);
    while (length >= CHUNK_BYTES) {
      const joined = Buffer.concat(waiting);
      yield joined.subarray(0, CHUNK_BYTES);
      waiting = [joined.subarray(CHUNK_BYTES)];
      length = joined.length - CHUNK_BYTES;
    }
  }
  if (length > 0) yield Buffer.concat(waiting);
}

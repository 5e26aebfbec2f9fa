import type { IncomingMessage } from 'node:http';
import { BlobTooLarge, putBlob, type StoredBlob } from '../db/queries/blobs.ts';
import type { TenantId } from '../domain/ids.ts';
import type { ApiDeps } from './deps.ts';
import { Problem } from './problem.ts';

/**
 * Stores a request's body as it streams in, never whole in memory.
 * @throws Problem 413 beyond `limit` bytes, 415 where it is compressed.
 */
export async function storeBody(
  { db }: ApiDeps,
  tenantId: TenantId,
  req: IncomingMessage,
  limit: number,
): Promise<StoredBlob> {
  const encoding = req.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity')
    throw new Problem(415, 'unsupported_encoding', 'Send the bytes as they are, not compressed.');
  if (Number(req.headers['content-length'] ?? 0) > limit) throw tooLarge(limit);
  try {
    // Left open at an early end: the refusal must still reach the sender.
    return await putBlob(db, tenantId, req.iterator({ destroyOnReturn: false }), limit);
  } catch (error) {
    throw error instanceof BlobTooLarge ? tooLarge(limit) : error;
  } finally {
    req.resume();
  }
}

function tooLarge(limit: number): Problem {
  return new Problem(413, 'too_large', `More than the ${limit} bytes that are allowed here.`);
}

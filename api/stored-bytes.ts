import { readBlob } from '../db/queries/blobs.ts';
import type { TenantId } from '../domain/ids.ts';
import { strangeBytes } from './content-disposition.ts';
import type { ApiDeps } from './deps.ts';
import { download, type Answer } from './route.ts';

/** Stored bytes that a stranger wrote, as a download. @param size in bytes */
export function storedBytes(
  { db }: ApiDeps,
  tenantId: TenantId,
  { sha256, size }: { readonly sha256: Buffer; readonly size: number },
  contentType: string,
  filename: string | null,
): Answer<never> {
  return download(readBlob(db, tenantId, sha256), {
    ...strangeBytes(contentType, filename),
    'Content-Length': String(size),
  });
}

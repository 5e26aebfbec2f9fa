import type { Selectable } from 'kysely';
import type { AttachmentId, TenantId } from '../../domain/ids.ts';
import { inTenant, type Db } from '../connection.ts';
import type { Database } from '../schema.ts';
import type { StoredBlob } from './blobs.ts';

export type AttachmentRow = Selectable<Database['attachments']>;

/** An upload that a reply may take with it. A repeat with the same id changes nothing. */
export async function insertAttachment(
  db: Db,
  tenantId: TenantId,
  upload: { id: AttachmentId; filename: string; contentType: string; blob: StoredBlob },
): Promise<AttachmentRow> {
  return inTenant(db, tenantId, (tx) =>
    tx
      .insertInto('attachments')
      .values({
        id: upload.id,
        tenant_id: tenantId,
        filename: upload.filename,
        content_type: upload.contentType,
        size: upload.blob.size,
        sha256: upload.blob.sha256,
      })
      .onConflict((oc) => oc.column('id').doUpdateSet({ filename: upload.filename }))
      .returningAll()
      .executeTakeFirstOrThrow(),
  );
}

export async function findAttachment(
  db: Db,
  tenantId: TenantId,
  id: string,
): Promise<AttachmentRow | null> {
  const row = await inTenant(db, tenantId, (tx) =>
    tx.selectFrom('attachments').selectAll().where('id', '=', id).executeTakeFirst(),
  );
  return row ?? null;
}

/** Oldest first. @param after id of the last one shown. */
export async function listAttachments(
  db: Db,
  tenantId: TenantId,
  { after, limit, messageId }: { after: string | null; limit: number; messageId?: string },
): Promise<AttachmentRow[]> {
  return inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('attachments')
      .selectAll()
      .where('tenant_id', '=', tenantId)
      .$if(messageId !== undefined, (query) => query.where('message_id', '=', messageId!))
      .$if(after !== null, (query) => query.where('id', '>', after!))
      .orderBy('id')
      .limit(limit)
      .execute(),
  );
}

import { z } from 'zod';
import {
  findAttachment,
  insertAttachment,
  listAttachments,
  type AttachmentRow,
} from '../../db/queries/attachments.ts';
import type { TenantId } from '../../domain/ids.ts';
import { safeFilename } from '../../domain/mail/filenames.ts';
import { MessageAttachment } from '../../domain/message.ts';
import { storeBody } from '../body-stream.ts';
import { safeContentType, uploadedName } from '../content-disposition.ts';
import type { ApiDeps } from '../deps.ts';
import { page, pageOf, pageQuery, readCursor } from '../page.ts';
import { notFound, Problem } from '../problem.ts';
import { answer, route, type AnyRoute } from '../route.ts';
import { storedBytes } from '../stored-bytes.ts';

const tags = ['Attachments'];
const params = z.object({ id: z.string() });

const Attachment = z
  .object({
    ...MessageAttachment.shape,
    message_id: z.string().nullable().meta({ description: 'Null until a message takes it.' }),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'Attachment' });

export const attachmentRoutes: readonly AnyRoute[] = [
  route({
    method: 'post',
    path: '/v1/attachments',
    summary: 'Upload a file for a reply',
    description:
      'The body is the file itself; its name comes from `?filename=` or Content-Disposition, its type from Content-Type.',
    tags,
    scope: 'tickets:write',
    query: z.object({ filename: z.string().max(500).optional() }),
    upload: ['application/octet-stream', '*/*'],
    response: Attachment,
    handler: async ({ deps, tenantId, query, headers, upload, newId }) => {
      const type = headers['content-type'];
      if (type?.startsWith('multipart/'))
        throw new Problem(
          415,
          'unsupported_media_type',
          'Send the file itself as the body, not a form: its name goes into ?filename=.',
        );
      const blob = await storeBody(deps, tenantId, upload, deps.config.smtp.maxBytes);
      const named = query.filename ?? uploadedName(headers['content-disposition']) ?? '';
      const row = await insertAttachment(deps.db, tenantId, {
        id: newId('attachment'),
        filename: safeFilename(named) || 'attachment',
        contentType: safeContentType(type),
        blob,
      });
      return answer(show(row), { headers: { Location: `/v1/attachments/${row.id}` } });
    },
  }),
  route({
    method: 'get',
    path: '/v1/attachments',
    summary: 'List attachments',
    tags,
    scope: 'tickets:read',
    query: z.object({ ...pageQuery, message_id: z.string().optional() }),
    response: pageOf(Attachment),
    handler: async ({ deps, tenantId, query }) => {
      const rows = await listAttachments(deps.db, tenantId, {
        after: readCursor(query.cursor, z.string()),
        limit: query.limit + 1,
        messageId: query.message_id,
      });
      return page(rows, query.limit, show, (row) => row.id);
    },
  }),
  route({
    method: 'get',
    path: '/v1/attachments/{id}',
    summary: 'Show an attachment',
    tags,
    scope: 'tickets:read',
    params,
    response: Attachment,
    handler: async ({ deps, tenantId, params }) => show(await rowOr404(deps, tenantId, params.id)),
  }),
  route({
    method: 'get',
    path: '/v1/attachments/{id}/content',
    summary: 'Download an attachment',
    tags,
    scope: 'tickets:read',
    params,
    downloads: 'application/octet-stream',
    handler: async ({ deps, tenantId, params }) => {
      const row = await rowOr404(deps, tenantId, params.id);
      return storedBytes(deps, tenantId, row, row.content_type, row.filename);
    },
  }),
];

async function rowOr404({ db }: ApiDeps, tenantId: TenantId, id: string): Promise<AttachmentRow> {
  const row = await findAttachment(db, tenantId, id);
  if (!row) throw notFound('attachment', id);
  return row;
}

function show(row: AttachmentRow): z.output<typeof Attachment> {
  return {
    id: row.id,
    message_id: row.message_id,
    filename: row.filename ?? 'attachment',
    content_type: row.content_type,
    size: row.size,
    sha256: row.sha256.toString('hex'),
    inline: row.inline,
    content_id: row.content_id,
    created_at: row.created_at.toISOString(),
  };
}

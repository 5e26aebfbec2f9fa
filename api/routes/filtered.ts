import { z } from 'zod';
import {
  findFiltered,
  listFiltered,
  releaseFiltered,
  type FilteredRow,
} from '../../db/queries/filtered.ts';
import type { TenantId } from '../../domain/ids.ts';
import type { ApiDeps } from '../deps.ts';
import { page, pageOf, pageQuery, readCursor } from '../page.ts';
import { conflict, notFound } from '../problem.ts';
import { route, type AnyRoute } from '../route.ts';
import { storedBytes } from '../stored-bytes.ts';

const tags = ['Filtered'];
const params = z.object({ id: z.string().meta({ description: 'The source’s id.' }) });

const FilteredMail = z
  .object({
    id: z.string().meta({ examples: ['src_01JD0000000000000000000000'] }),
    channel_id: z.string(),
    provider_message_id: z.string().nullable(),
    by: z.enum(['allowlist', 'blocklist', 'subject_keywords', 'rule', 'door']),
    rule: z.string().nullable(),
    detail: z.string(),
    size: z.int(),
    received_at: z.iso.datetime(),
    source_url: z.string().meta({ description: 'Where its raw bytes are.' }),
  })
  .meta({
    id: 'FilteredMail',
    description: 'Mail that a channel’s rules or its door turned away: kept, and no message.',
  });

const Released = z
  .object({ id: z.string(), status: z.literal('staged') })
  .meta({ id: 'ReleasedMail' });

export const filteredRoutes: readonly AnyRoute[] = [
  route({
    method: 'get',
    path: '/v1/filtered',
    summary: 'List the journal: mail that rules turned away, newest first',
    tags,
    scope: 'messages:read',
    query: z.object({ ...pageQuery, channel_id: z.string().optional() }),
    response: pageOf(FilteredMail),
    handler: async ({ deps, tenantId, query }) => {
      const rows = await listFiltered(deps.db, tenantId, {
        before: readCursor(query.cursor, z.string()),
        limit: query.limit + 1,
        channelId: query.channel_id,
      });
      return page(rows, query.limit, show, (row) => row.id);
    },
  }),
  route({
    method: 'get',
    path: '/v1/filtered/{id}/source',
    summary: 'Download its raw bytes',
    tags,
    scope: 'messages:read',
    params,
    downloads: 'application/octet-stream',
    handler: async ({ deps, tenantId, params }) => {
      const row = await rowOr404(deps, tenantId, params.id);
      return storedBytes(deps, tenantId, row, 'application/octet-stream', row.id);
    },
  }),
  route({
    method: 'post',
    path: '/v1/filtered/{id}/release',
    summary: 'Take it after all',
    description: 'It is ingested as any mail, and no rule turns it away again.',
    tags,
    scope: 'channels:admin',
    params,
    status: 202,
    response: Released,
    handler: async ({ deps, tenantId, params }) => {
      const { outcome, pending } = await releaseFiltered(deps.db, tenantId, params.id);
      if (outcome === 'missing') throw notFound('filtered mail', params.id);
      if (outcome === 'channel_gone')
        throw conflict('channel_deleted', 'Its channel was deleted; its bytes can be downloaded.');
      await deps.relay.flush(pending);
      return { id: params.id, status: 'staged' as const };
    },
  }),
];

async function rowOr404({ db }: ApiDeps, tenantId: TenantId, id: string): Promise<FilteredRow> {
  const row = await findFiltered(db, tenantId, id);
  if (!row) throw notFound('filtered mail', id);
  return row;
}

function show(row: FilteredRow): z.output<typeof FilteredMail> {
  return {
    id: row.id,
    channel_id: row.channel_id,
    provider_message_id: row.provider_message_id,
    by: row.filtered.by,
    rule: row.filtered.rule ?? null,
    detail: row.filtered.detail,
    size: row.size,
    received_at: row.received_at.toISOString(),
    source_url: `/v1/filtered/${row.id}/source`,
  };
}

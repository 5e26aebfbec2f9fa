import { z } from 'zod';
import {
  discardSetAside,
  findSetAside,
  listSetAside,
  retrySetAside,
  type SetAsideRow,
} from '../../db/queries/set-aside.ts';
import type { TenantId } from '../../domain/ids.ts';
import type { ApiDeps } from '../deps.ts';
import { page, pageOf, pageQuery, readCursor } from '../page.ts';
import { conflict, notFound } from '../problem.ts';
import { route, type AnyRoute } from '../route.ts';
import { storedBytes } from '../stored-bytes.ts';

const tags = ['Set aside'];
const params = z.object({ id: z.string().meta({ description: 'The source’s id.' }) });

const SetAside = z
  .object({
    id: z.string().meta({ examples: ['src_01JD0000000000000000000000'] }),
    channel_id: z.string(),
    provider_message_id: z.string().nullable(),
    reason: z.object({ type: z.string(), detail: z.string() }).nullable(),
    size: z.int(),
    retries: z.int(),
    received_at: z.iso.datetime(),
    source_url: z.string().meta({ description: 'Where its raw bytes are.' }),
  })
  .meta({ id: 'SetAside', description: 'A message that could not be processed.' });

const Retried = z
  .object({ id: z.string(), status: z.literal('staged') })
  .meta({ id: 'RetriedSetAside' });

export const setAsideRoutes: readonly AnyRoute[] = [
  route({
    method: 'get',
    path: '/v1/set-aside',
    summary: 'List what could not be processed',
    tags,
    scope: 'messages:read',
    query: z.object({ ...pageQuery, channel_id: z.string().optional() }),
    response: pageOf(SetAside),
    handler: async ({ deps, tenantId, query }) => {
      const rows = await listSetAside(deps.db, tenantId, {
        after: readCursor(query.cursor, z.string()),
        limit: query.limit + 1,
        channelId: query.channel_id,
      });
      return page(rows, query.limit, show, (row) => row.id);
    },
  }),
  route({
    method: 'get',
    path: '/v1/set-aside/{id}',
    summary: 'Show why a source could not be processed',
    tags,
    scope: 'messages:read',
    params,
    response: SetAside,
    handler: async ({ deps, tenantId, params }) => show(await rowOr404(deps, tenantId, params.id)),
  }),
  route({
    method: 'get',
    path: '/v1/set-aside/{id}/source',
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
    path: '/v1/set-aside/{id}/retry',
    summary: 'Try it again',
    tags,
    scope: 'channels:admin',
    params,
    status: 202,
    response: Retried,
    handler: async ({ deps, tenantId, params }) => {
      const { outcome, pending } = await retrySetAside(deps.db, tenantId, params.id);
      if (outcome === 'missing') throw notFound('source set aside', params.id);
      if (outcome === 'channel_gone')
        throw conflict('channel_deleted', 'Its channel was deleted; download or discard it.');
      await deps.relay.flush(pending);
      return { id: params.id, status: 'staged' as const };
    },
  }),
  route({
    method: 'post',
    path: '/v1/set-aside/{id}/discard',
    summary: 'Give it up',
    description: 'It is shown and tried no more.',
    tags,
    scope: 'channels:admin',
    params,
    handler: async ({ deps, tenantId, params }) => {
      if (!(await discardSetAside(deps.db, tenantId, params.id)))
        throw notFound('source set aside', params.id);
    },
  }),
];

async function rowOr404({ db }: ApiDeps, tenantId: TenantId, id: string): Promise<SetAsideRow> {
  const row = await findSetAside(db, tenantId, id);
  if (!row) throw notFound('source set aside', id);
  return row;
}

function show(row: SetAsideRow): z.output<typeof SetAside> {
  return {
    id: row.id,
    channel_id: row.channel_id,
    provider_message_id: row.provider_message_id,
    reason: row.error,
    size: row.size,
    retries: row.attempts,
    received_at: row.received_at.toISOString(),
    source_url: `/v1/set-aside/${row.id}/source`,
  };
}

import { z } from 'zod';
import {
  insertApiKey,
  listApiKeys,
  revokeApiKey,
  type ApiKeyRow,
} from '../../db/queries/api-keys.ts';
import { mintApiKey } from '../../security/api-key.ts';
import { page, pageOf, pageQuery, readCursor } from '../page.ts';
import { notFound, Problem } from '../problem.ts';
import { route } from '../route.ts';
import { isAllowed, Scope } from '../scopes.ts';

const Time = z.iso.datetime();

const ApiKey = z
  .object({
    id: z.string(),
    name: z.string(),
    scopes: z.array(z.string()),
    created_at: Time,
    last_used_at: Time.nullable(),
    revoked_at: Time.nullable(),
  })
  .meta({ id: 'ApiKey' });

const NewApiKey = z
  .strictObject({ name: z.string().trim().min(1).max(200), scopes: z.array(Scope).min(1) })
  .meta({ id: 'NewApiKey' });

const tags = ['API keys'];
const scope = 'keys:admin';

export const apiKeyRoutes = [
  route({
    method: 'post',
    path: '/v1/api-keys',
    summary: 'Make an API key',
    description: '`key` is in this answer alone. A key can give no scope that it lacks itself.',
    tags,
    scope,
    body: NewApiKey,
    response: ApiKey.extend({ key: z.string() }).meta({ id: 'CreatedApiKey' }),
    handler: async ({ deps, tenantId, caller, body, newId }) => {
      const lacking = body.scopes.find((wanted) => !isAllowed(caller.scopes, wanted));
      if (lacking !== undefined)
        throw new Problem(403, 'forbidden', `This key lacks the scope "${lacking}" itself.`);
      const minted = mintApiKey(newId('apiKey'));
      const row = await insertApiKey(deps.db, tenantId, minted, body.name, body.scopes);
      return { ...show(row), key: minted.key };
    },
  }),
  route({
    method: 'get',
    path: '/v1/api-keys',
    summary: 'List API keys',
    tags,
    scope,
    query: z.object(pageQuery),
    response: pageOf(ApiKey),
    handler: async ({ deps, tenantId, query }) => {
      const after = readCursor(query.cursor, z.string());
      const rows = await listApiKeys(deps.db, tenantId, { after, limit: query.limit + 1 });
      return page(rows, query.limit, show, (row) => row.id);
    },
  }),
  route({
    method: 'delete',
    path: '/v1/api-keys/{id}',
    summary: 'Revoke an API key',
    description: 'It stops working within seconds; it stays in the list.',
    tags,
    scope,
    params: z.object({ id: z.string() }),
    handler: async ({ deps, tenantId, params }) => {
      if (!(await revokeApiKey(deps.db, tenantId, params.id))) throw notFound('API key', params.id);
    },
  }),
];

function show(row: ApiKeyRow): z.output<typeof ApiKey> {
  return {
    ...row,
    created_at: row.created_at.toISOString(),
    last_used_at: row.last_used_at?.toISOString() ?? null,
    revoked_at: row.revoked_at?.toISOString() ?? null,
  };
}

import { z } from 'zod';
import {
  createEndpoint,
  deleteEndpoint,
  listEndpoints,
  readEndpoint,
  updateEndpoint,
} from '../../db/queries/endpoints.ts';
import type { TenantId } from '../../domain/ids.ts';
import { readEndpointLoad } from '../../db/queries/stream.ts';
import {
  NewWebhookEndpoint,
  WebhookEndpoint,
  WebhookEndpointDetail,
  WebhookEndpointPatch,
} from '../../domain/webhook.ts';
import { readTargetUrl, TargetRefused } from '../../security/ssrf-guard.ts';
import { mintWebhookSecret, secretProblem } from '../../security/webhook-signature.ts';
import type { ApiDeps } from '../deps.ts';
import { page, pageOf, pageQuery, readCursor } from '../page.ts';
import { invalid, notFound } from '../problem.ts';
import { route } from '../route.ts';

const tags = ['Webhooks'];
const params = z.object({ id: z.string() });
const what = 'webhook endpoint';

export const webhookEndpointRoutes = [
  route({
    method: 'post',
    path: '/v1/webhook-endpoints',
    summary: 'Make a webhook endpoint',
    description:
      '`secret` is in this answer alone. Private addresses are refused unless POSTROOM_ALLOW_PRIVATE_TARGETS names them.',
    tags,
    scope: 'webhooks:write',
    body: NewWebhookEndpoint,
    response: WebhookEndpoint.extend({ secret: z.string() }).meta({ id: 'CreatedWebhookEndpoint' }),
    handler: async ({ deps, tenantId, body, newId }) => {
      checkSecret(body.secret);
      await checkTarget(deps, tenantId, body.url);
      const secret = body.secret ?? mintWebhookSecret();
      const given = { ...body, id: newId('endpoint'), secret };
      return { ...(await createEndpoint(deps.db, deps.keys, tenantId, given)), secret };
    },
  }),
  route({
    method: 'get',
    path: '/v1/webhook-endpoints',
    summary: 'List webhook endpoints',
    description: 'Newest first.',
    tags,
    scope: 'webhooks:read',
    query: z.object(pageQuery),
    response: pageOf(WebhookEndpoint),
    handler: async ({ deps, tenantId, query: { cursor, limit } }) => {
      const before = readCursor(cursor, z.string());
      const rows = await listEndpoints(deps.db, deps.keys, tenantId, { before, limit });
      return page(
        rows,
        limit,
        (row) => row,
        (row) => row.id,
      );
    },
  }),
  route({
    method: 'get',
    path: '/v1/webhook-endpoints/{id}',
    summary: 'Show a webhook endpoint',
    tags,
    scope: 'webhooks:read',
    params,
    response: WebhookEndpointDetail,
    handler: async ({ deps, tenantId, params: { id } }) => {
      const [endpoint, load] = await Promise.all([
        readEndpoint(deps.db, deps.keys, tenantId, id),
        readEndpointLoad(deps.db, tenantId, id),
      ]);
      if (!endpoint || !load) throw notFound(what, id);
      return { ...endpoint, ...load };
    },
  }),
  route({
    method: 'patch',
    path: '/v1/webhook-endpoints/{id}',
    summary: 'Change a webhook endpoint',
    description:
      'Deliveries under way go on with the new values. `headers` replaces them all; a value `[sealed]` keeps what there was.',
    tags,
    scope: 'webhooks:write',
    params,
    body: WebhookEndpointPatch,
    response: WebhookEndpoint,
    handler: async ({ deps, tenantId, params: { id }, body }) => {
      checkSecret(body.secret);
      if (body.url !== undefined) await checkTarget(deps, tenantId, body.url);
      const endpoint = await updateEndpoint(deps.db, deps.keys, tenantId, id, body);
      if (!endpoint) throw notFound(what, id);
      return endpoint;
    },
  }),
  route({
    method: 'delete',
    path: '/v1/webhook-endpoints/{id}',
    summary: 'Delete a webhook endpoint',
    description:
      'Its deliveries stay readable; what is still pending is not sent and ends as failed.',
    tags,
    scope: 'webhooks:write',
    params,
    handler: async ({ deps, tenantId, params: { id } }) => {
      if (!(await deleteEndpoint(deps.db, tenantId, id))) throw notFound(what, id);
    },
  }),
];

function checkSecret(secret: string | undefined): void {
  const problem = secret === undefined ? null : secretProblem(secret);
  if (problem) throw invalid(problem, [{ pointer: '/secret', message: problem }]);
}

/** The guard checks again at every connection; a name that can't be found just now is taken, and its attempts will say so. */
async function checkTarget(deps: ApiDeps, tenantId: TenantId, url: string): Promise<void> {
  try {
    const { hostname } = readTargetUrl(url);
    const network = await deps.network(tenantId);
    await network.resolve(hostname);
  } catch (error) {
    if (error instanceof TargetRefused)
      throw invalid('The endpoint’s url can’t be used.', [
        { pointer: '/url', message: error.message },
      ]);
    deps.log.debug({ tenant: tenantId }, 'the host of a new webhook endpoint could not be found');
  }
}

import { z } from 'zod';
import {
  changePolicy,
  deletePolicy,
  findDefined,
  insertPolicy,
  listDefined,
  UnknownReference,
  type PolicyRow,
} from '../../db/queries/sla-settings.ts';
import { SlaPolicy, SlaPolicyInput } from '../../domain/sla/policy.ts';
import { page, pageOf, pageQuery, readCursor } from '../page.ts';
import { invalid, notFound } from '../problem.ts';
import { answer, route, type AnyRoute } from '../route.ts';
import { patched, PatchOf, tellTickets } from '../sla-change.ts';

const tags = ['SLA'];
const params = z.object({ id: z.string() });

const ShownPolicy = z
  .object({
    ...SlaPolicy.shape,
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'ShownSlaPolicy' });

export const slaPolicyRoutes: readonly AnyRoute[] = [
  route({
    method: 'post',
    path: '/v1/sla-policies',
    summary: 'Make an SLA policy',
    description: 'Tickets that come from now on follow it; those there are keep theirs.',
    tags,
    scope: 'settings:admin',
    body: SlaPolicyInput,
    response: ShownPolicy,
    handler: async ({ deps, tenantId, body, newId }) => {
      const row = await insertPolicy(deps.db, tenantId, newId('slaPolicy'), body).catch(refuse);
      return answer(show(row), { headers: { Location: `/v1/sla-policies/${row.id}` } });
    },
  }),
  route({
    method: 'get',
    path: '/v1/sla-policies',
    summary: 'List SLA policies',
    description: 'The first active one by position (then by id) whose conditions hold counts.',
    tags,
    scope: 'settings:read',
    query: z.object(pageQuery),
    response: pageOf(ShownPolicy),
    handler: async ({ deps, tenantId, query }) => {
      const after = readCursor(query.cursor, z.string());
      const at = { after, limit: query.limit + 1 };
      const rows = await listDefined(deps.db, tenantId, 'sla_policies', at);
      return page(rows, query.limit, show, (row) => row.id);
    },
  }),
  route({
    method: 'get',
    path: '/v1/sla-policies/{id}',
    summary: 'Show an SLA policy',
    tags,
    scope: 'settings:read',
    params,
    response: ShownPolicy,
    handler: async ({ deps, tenantId, params }) => {
      const row = await findDefined(deps.db, tenantId, 'sla_policies', params.id);
      if (!row) throw notFound('SLA policy', params.id);
      return show(row);
    },
  }),
  route({
    method: 'patch',
    path: '/v1/sla-policies/{id}',
    summary: 'Change an SLA policy',
    description: 'Running tickets are told, and their deadlines move.',
    tags,
    scope: 'settings:admin',
    params,
    body: PatchOf('SlaPolicyInput'),
    response: ShownPolicy,
    handler: async ({ deps, tenantId, params, body, caller }) => {
      const change = await changePolicy(deps.db, tenantId, params.id, caller.actor, (before) =>
        patched(SlaPolicyInput, before, body),
      ).catch(refuse);
      if (!change) throw notFound('SLA policy', params.id);
      tellTickets(deps, change);
      return show(change.row);
    },
  }),
  route({
    method: 'delete',
    path: '/v1/sla-policies/{id}',
    summary: 'Delete an SLA policy',
    tags,
    scope: 'settings:admin',
    params,
    handler: async ({ deps, tenantId, params, caller }) => {
      const change = await deletePolicy(deps.db, tenantId, params.id, caller.actor);
      if (!change) throw notFound('SLA policy', params.id);
      tellTickets(deps, change);
    },
  }),
];

function show({ id, definition, created_at, updated_at }: PolicyRow): z.output<typeof ShownPolicy> {
  return {
    id,
    ...definition,
    created_at: created_at.toISOString(),
    updated_at: updated_at.toISOString(),
  };
}

function refuse(error: unknown): never {
  if (!(error instanceof UnknownReference)) throw error;
  throw invalid('The policy names something that is not there.', [
    { pointer: error.pointer, message: error.message },
  ]);
}

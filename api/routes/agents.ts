import { z } from 'zod';
import {
  findAgent,
  insertAgent,
  listAgents,
  updateAgent,
  type AgentRow,
} from '../../db/queries/agents.ts';
import { deleteUnlessUsed } from '../../db/queries/delete-unless-used.ts';
import { flag, page, pageOf, pageQuery, readCursor } from '../page.ts';
import { conflict, notFound } from '../problem.ts';
import { answer, route, type AnyRoute } from '../route.ts';

const tags = ['Agents and teams'];
const params = z.object({ id: z.string() });

const Name = z.string().trim().min(1).max(200);
const Addresses = z.array(z.email().max(320)).max(20);
const Role = z.enum(['agent', 'admin']);

const Agent = z
  .object({
    id: z.string(),
    name: z.string(),
    addresses: z.array(z.string()),
    role: Role,
    is_active: z.boolean(),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'Agent' });

const NewAgent = z
  .strictObject({
    name: Name,
    addresses: Addresses.default([]),
    role: Role.default('agent'),
    is_active: z.boolean().default(true),
  })
  .meta({ id: 'NewAgent' });

const ChangedAgent = z
  .strictObject({
    name: Name.optional(),
    addresses: Addresses.optional(),
    role: Role.optional(),
    is_active: z.boolean().optional(),
  })
  .meta({ id: 'ChangedAgent' });

export const agentRoutes: readonly AnyRoute[] = [
  route({
    method: 'post',
    path: '/v1/agents',
    summary: 'Make an agent',
    tags,
    scope: 'settings:admin',
    body: NewAgent,
    response: Agent,
    handler: async ({ deps, tenantId, body, newId }) => {
      const row = await insertAgent(deps.db, tenantId, newId('agent'), body);
      return answer(show(row), { headers: { Location: `/v1/agents/${row.id}` } });
    },
  }),
  route({
    method: 'get',
    path: '/v1/agents',
    summary: 'List agents',
    tags,
    scope: 'settings:read',
    query: z.object({ ...pageQuery, is_active: flag.optional() }),
    response: pageOf(Agent),
    handler: async ({ deps, tenantId, query }) => {
      const rows = await listAgents(deps.db, tenantId, {
        after: readCursor(query.cursor, z.string()),
        limit: query.limit + 1,
        isActive: query.is_active,
      });
      return page(rows, query.limit, show, (row) => row.id);
    },
  }),
  route({
    method: 'get',
    path: '/v1/agents/{id}',
    summary: 'Show an agent',
    tags,
    scope: 'settings:read',
    params,
    response: Agent,
    handler: async ({ deps, tenantId, params }) => {
      const row = await findAgent(deps.db, tenantId, params.id);
      if (!row) throw notFound('agent', params.id);
      return show(row);
    },
  }),
  route({
    method: 'patch',
    path: '/v1/agents/{id}',
    summary: 'Change an agent',
    tags,
    scope: 'settings:admin',
    params,
    body: ChangedAgent,
    response: Agent,
    handler: async ({ deps, tenantId, params, body }) => {
      const row = await updateAgent(deps.db, tenantId, params.id, body);
      if (!row) throw notFound('agent', params.id);
      return show(row);
    },
  }),
  route({
    method: 'delete',
    path: '/v1/agents/{id}',
    summary: 'Delete an agent whom no ticket names',
    tags,
    scope: 'settings:admin',
    params,
    handler: async ({ deps, tenantId, params }) => {
      const outcome = await deleteUnlessUsed(deps.db, tenantId, 'agents', params.id);
      if (outcome === 'missing') throw notFound('agent', params.id);
      if (outcome === 'in_use')
        throw conflict('in_use', 'Tickets name this agent; set is_active to false instead.');
    },
  }),
];

function show({ tenant_id: _tenant, ...row }: AgentRow): z.output<typeof Agent> {
  return { ...row, created_at: row.created_at.toISOString() };
}

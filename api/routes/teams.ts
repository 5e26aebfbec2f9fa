import { z } from 'zod';
import {
  findTeam,
  insertTeam,
  listTeams,
  TeamNameTaken,
  UnknownMember,
  updateTeam,
  type TeamRow,
} from '../../db/queries/teams.ts';
import { deleteUnlessUsed } from '../../db/queries/delete-unless-used.ts';
import { page, pageOf, pageQuery, readCursor } from '../page.ts';
import { conflict, invalid, notFound } from '../problem.ts';
import { answer, route, type AnyRoute } from '../route.ts';

const tags = ['Agents and teams'];
const params = z.object({ id: z.string() });

const Name = z.string().trim().min(1).max(200);
const Addresses = z.array(z.email().max(320)).max(20);
const Members = z
  .array(z.string())
  .max(500)
  .meta({ description: 'Ids of agents.', examples: [['agt_01JD0000000000000000000000']] });

const Team = z
  .object({
    id: z.string(),
    name: z.string(),
    addresses: z.array(z.string()),
    members: Members,
    is_active: z.boolean(),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'Team' });

const NewTeam = z
  .strictObject({
    name: Name,
    addresses: Addresses.default([]),
    members: Members.default([]),
    is_active: z.boolean().default(true),
  })
  .meta({ id: 'NewTeam' });

const ChangedTeam = z
  .strictObject({
    name: Name.optional(),
    addresses: Addresses.optional(),
    members: Members.optional().meta({ description: 'Replaces those before.' }),
    is_active: z.boolean().optional(),
  })
  .meta({ id: 'ChangedTeam' });

export const teamRoutes: readonly AnyRoute[] = [
  route({
    method: 'post',
    path: '/v1/teams',
    summary: 'Make a team',
    tags,
    scope: 'settings:admin',
    body: NewTeam,
    response: Team,
    handler: async ({ deps, tenantId, body: { members, ...fields }, newId }) => {
      const row = await insertTeam(deps.db, tenantId, newId('team'), fields, members).catch(refuse);
      return answer(show(row), { headers: { Location: `/v1/teams/${row.id}` } });
    },
  }),
  route({
    method: 'get',
    path: '/v1/teams',
    summary: 'List teams',
    tags,
    scope: 'settings:read',
    query: z.object(pageQuery),
    response: pageOf(Team),
    handler: async ({ deps, tenantId, query }) => {
      const after = readCursor(query.cursor, z.string());
      const rows = await listTeams(deps.db, tenantId, { after, limit: query.limit + 1 });
      return page(rows, query.limit, show, (row) => row.id);
    },
  }),
  route({
    method: 'get',
    path: '/v1/teams/{id}',
    summary: 'Show a team',
    tags,
    scope: 'settings:read',
    params,
    response: Team,
    handler: async ({ deps, tenantId, params }) => {
      const row = await findTeam(deps.db, tenantId, params.id);
      if (!row) throw notFound('team', params.id);
      return show(row);
    },
  }),
  route({
    method: 'patch',
    path: '/v1/teams/{id}',
    summary: 'Change a team',
    tags,
    scope: 'settings:admin',
    params,
    body: ChangedTeam,
    response: Team,
    handler: async ({ deps, tenantId, params, body: { members, ...fields } }) => {
      const row = await updateTeam(deps.db, tenantId, params.id, fields, members).catch(refuse);
      if (!row) throw notFound('team', params.id);
      return show(row);
    },
  }),
  route({
    method: 'delete',
    path: '/v1/teams/{id}',
    summary: 'Delete a team that no ticket names',
    tags,
    scope: 'settings:admin',
    params,
    handler: async ({ deps, tenantId, params }) => {
      const outcome = await deleteUnlessUsed(deps.db, tenantId, 'teams', params.id);
      if (outcome === 'missing') throw notFound('team', params.id);
      if (outcome === 'in_use')
        throw conflict('in_use', 'Tickets name this team; set is_active to false instead.');
    },
  }),
];

function show({ tenant_id: _tenant, ...row }: TeamRow): z.output<typeof Team> {
  return { ...row, created_at: row.created_at.toISOString() };
}

function refuse(error: unknown): never {
  if (error instanceof UnknownMember)
    throw invalid('A member is no agent of yours.', [
      { pointer: '/members', message: error.message },
    ]);
  if (error instanceof TeamNameTaken)
    throw conflict('name_taken', 'Another team has this name; take another.');
  throw error;
}

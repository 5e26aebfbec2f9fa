import { z } from 'zod';
import {
  changeCalendar,
  deleteCalendar,
  findDefined,
  insertCalendar,
  listDefined,
  type CalendarRow,
} from '../../db/queries/sla-settings.ts';
import { BusinessCalendar, BusinessCalendarInput } from '../../domain/sla/calendar.ts';
import { page, pageOf, pageQuery, readCursor } from '../page.ts';
import { conflict, notFound } from '../problem.ts';
import { answer, route, type AnyRoute } from '../route.ts';
import { patched, PatchOf, tellTickets } from '../sla-change.ts';

const tags = ['SLA'];
const params = z.object({ id: z.string() });

const ShownCalendar = z
  .object({
    ...BusinessCalendar.shape,
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'ShownBusinessCalendar' });

export const calendarRoutes: readonly AnyRoute[] = [
  route({
    method: 'post',
    path: '/v1/calendars',
    summary: 'Make a business calendar',
    tags,
    scope: 'settings:admin',
    body: BusinessCalendarInput,
    response: ShownCalendar,
    handler: async ({ deps, tenantId, body, newId }) => {
      const row = await insertCalendar(deps.db, tenantId, newId('calendar'), body);
      return answer(show(row), { headers: { Location: `/v1/calendars/${row.id}` } });
    },
  }),
  route({
    method: 'get',
    path: '/v1/calendars',
    summary: 'List business calendars',
    tags,
    scope: 'settings:read',
    query: z.object(pageQuery),
    response: pageOf(ShownCalendar),
    handler: async ({ deps, tenantId, query }) => {
      const after = readCursor(query.cursor, z.string());
      const at = { after, limit: query.limit + 1 };
      const rows = await listDefined(deps.db, tenantId, 'calendars', at);
      return page(rows, query.limit, show, (row) => row.id);
    },
  }),
  route({
    method: 'get',
    path: '/v1/calendars/{id}',
    summary: 'Show a business calendar',
    tags,
    scope: 'settings:read',
    params,
    response: ShownCalendar,
    handler: async ({ deps, tenantId, params }) => {
      const row = await findDefined(deps.db, tenantId, 'calendars', params.id);
      if (!row) throw notFound('calendar', params.id);
      return show(row);
    },
  }),
  route({
    method: 'patch',
    path: '/v1/calendars/{id}',
    summary: 'Change a business calendar',
    description: 'Running tickets are told, and their deadlines move.',
    tags,
    scope: 'settings:admin',
    params,
    body: PatchOf('BusinessCalendarInput'),
    response: ShownCalendar,
    handler: async ({ deps, tenantId, params, body, caller }) => {
      const change = await changeCalendar(deps.db, tenantId, params.id, caller.actor, (before) =>
        patched(BusinessCalendarInput, before, body),
      );
      if (!change) throw notFound('calendar', params.id);
      tellTickets(deps, change);
      return show(change.row);
    },
  }),
  route({
    method: 'delete',
    path: '/v1/calendars/{id}',
    summary: 'Delete a business calendar that no policy counts by',
    tags,
    scope: 'settings:admin',
    params,
    handler: async ({ deps, tenantId, params }) => {
      const outcome = await deleteCalendar(deps.db, tenantId, params.id);
      if (outcome === 'missing') throw notFound('calendar', params.id);
      if (outcome === 'in_use')
        throw conflict('in_use', 'An SLA policy counts by this calendar; give it another first.');
    },
  }),
];

function show(row: CalendarRow): z.output<typeof ShownCalendar> {
  return {
    id: row.id,
    ...row.definition,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

import { z } from 'zod';
import {
  ContactAddressTaken,
  findContact,
  listContacts,
  updateContact,
  type ContactRow,
} from '../../db/queries/contacts.ts';
import { Contact } from '../../domain/ticket.ts';
import { page, pageOf, pageQuery, readCursor } from '../page.ts';
import { notFound, Problem } from '../problem.ts';
import { route, type AnyRoute } from '../route.ts';

const tags = ['Contacts'];
const params = z.object({ id: z.string() });

const ChangedContact = z
  .strictObject({
    name: z.string().trim().min(1).max(200).nullish(),
    addresses: z
      .array(z.string().trim().toLowerCase().min(1).max(320))
      .max(100)
      .optional()
      .meta({ description: 'Replaces those before.' }),
  })
  .meta({ id: 'ChangedContact' });

export const contactRoutes: readonly AnyRoute[] = [
  route({
    method: 'get',
    path: '/v1/contacts',
    summary: 'List contacts',
    tags,
    scope: 'contacts:read',
    query: z.object({
      ...pageQuery,
      q: z
        .string()
        .min(1)
        .max(320)
        .optional()
        .meta({ description: 'Part of a name, or the beginning of an address.' }),
    }),
    response: pageOf(Contact),
    handler: async ({ deps, tenantId, query }) => {
      const rows = await listContacts(deps.db, tenantId, {
        after: readCursor(query.cursor, z.string()),
        limit: query.limit + 1,
        search: query.q,
      });
      return page(rows, query.limit, show, (row) => row.id);
    },
  }),
  route({
    method: 'get',
    path: '/v1/contacts/{id}',
    summary: 'Show a contact',
    tags,
    scope: 'contacts:read',
    params,
    response: Contact,
    handler: async ({ deps, tenantId, params }) => {
      const row = await findContact(deps.db, tenantId, params.id);
      if (!row) throw notFound('contact', params.id);
      return show(row);
    },
  }),
  route({
    method: 'patch',
    path: '/v1/contacts/{id}',
    summary: 'Change a contact',
    tags,
    scope: 'contacts:write',
    params,
    body: ChangedContact,
    response: Contact,
    handler: async ({ deps, tenantId, params, body }) => {
      const row = await updateContact(deps.db, tenantId, params.id, body).catch(refuse);
      if (!row) throw notFound('contact', params.id);
      return show(row);
    },
  }),
];

function show(row: ContactRow): z.output<typeof Contact> {
  return { ...row, created_at: row.created_at.toISOString() };
}

function refuse(error: unknown): never {
  if (!(error instanceof ContactAddressTaken)) throw error;
  throw new Problem(409, 'address_taken', `${error.message} Take it away there first.`, {
    errors: [{ pointer: '/addresses', message: `"${error.address}" is taken` }],
  });
}

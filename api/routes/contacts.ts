import { z } from 'zod';
import {
  ContactAddressTaken,
  findContact,
  listContacts,
  updateContact,
} from '../../db/queries/contacts.ts';
import { isTimeZone } from '../../domain/send-time.ts';
import { Contact } from '../../domain/ticket.ts';
import { readAddresses, showContact } from '../contacts.ts';
import { page, pageOf, pageQuery, readCursor } from '../page.ts';
import { notFound, Problem } from '../problem.ts';
import { route, type AnyRoute } from '../route.ts';

const tags = ['Contacts'];
const params = z.object({ id: z.string() });

const ChangedContact = z
  .strictObject({
    name: z.string().trim().min(1).max(200).nullish(),
    time_zone: z
      .string()
      .refine(isTimeZone, 'is no IANA time zone, such as Europe/Berlin')
      .nullish()
      .meta({ examples: ['Europe/Berlin'] }),
    addresses: z
      .array(z.string().trim().min(1).max(320))
      .max(100)
      .optional()
      .meta({
        description:
          'Replaces those before: mail, numbers with their country’s code in any spelling, and ids of chats.',
        examples: [['ada@example.com', '+49 151 12345678']],
      }),
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
      q: z.string().min(1).max(320).optional().meta({
        description:
          'Part of a name, or the beginning of an address; a number in any spelling: `0049 151`, `+49 (151)`, `0151 12345678`.',
      }),
    }),
    response: pageOf(Contact),
    handler: async ({ deps, tenantId, query }) => {
      const rows = await listContacts(deps.db, tenantId, {
        after: readCursor(query.cursor, z.string()),
        limit: query.limit + 1,
        search: query.q,
      });
      return page(rows, query.limit, showContact, (row) => row.id);
    },
  }),
  route({
    method: 'get',
    path: '/v1/contacts/{id}',
    summary: 'Show a contact',
    description: 'The id of a contact that was merged shows the one it became.',
    tags,
    scope: 'contacts:read',
    params,
    response: Contact,
    handler: async ({ deps, tenantId, params }) => {
      const row = await findContact(deps.db, tenantId, params.id);
      if (!row) throw notFound('contact', params.id);
      return showContact(row);
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
    handler: async ({ deps, tenantId, params, body: { addresses: written, ...fields } }) => {
      const addresses =
        written && (await readAddresses(deps, tenantId, written, (place) => `/addresses/${place}`));
      const change = { ...fields, ...(addresses && { addresses }) };
      const row = await updateContact(deps.db, tenantId, params.id, change).catch(refuse);
      if (!row) throw notFound('contact', params.id);
      return showContact(row);
    },
  }),
];

function refuse(error: unknown): never {
  if (!(error instanceof ContactAddressTaken)) throw error;
  throw new Problem(
    409,
    'address_taken',
    `${error.message} Take it away there first; or, if the two are proven to be one person, merge them (POST /v1/contacts/{id}/merge).`,
    { errors: [{ pointer: '/addresses', message: `"${error.address}" is taken` }] },
  );
}

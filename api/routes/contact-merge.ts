import { z } from 'zod';
import { inTenant } from '../../db/connection.ts';
import { contactAt, insertContactLink } from '../../db/queries/contact-links.ts';
import { mergeContacts } from '../../db/queries/contact-merge.ts';
import { contactIdOf, findContact, selectContact } from '../../db/queries/contacts.ts';
import { Pending } from '../../db/queries/outbox.ts';
import { Contact } from '../../domain/ticket.ts';
import { MergeReason, readAddresses, showContact } from '../contacts.ts';
import { linkToken } from '../link/token.ts';
import { conflict, invalid, notFound } from '../problem.ts';
import { route, type AnyRoute } from '../route.ts';

const tags = ['Contacts'];
const params = z.object({ id: z.string() });
const LINK_MINUTES = 60;

const ContactMerge = z
  .strictObject({
    contact_id: z
      .string()
      .meta({ description: 'The other contact; its id leads here afterwards.' }),
    reason: MergeReason.meta({
      description: 'What proves that they are one person; kept in the audit trail.',
      examples: ['Ada wrote from both addresses about order 1815'],
    }),
  })
  .meta({ id: 'ContactMerge' });

const NewLinkRequest = z
  .strictObject({
    address: z
      .string()
      .trim()
      .min(1)
      .max(320)
      .meta({
        description: 'An address of the other contact, to which the link will be sent.',
        examples: ['+49 151 12345678'],
      }),
    shown_address: z.string().trim().min(1).max(320).optional().meta({
      description:
        'An address of this contact, shown in part on the page; default its first mail address.',
    }),
    valid_minutes: z.int().min(5).max(1440).default(LINK_MINUTES),
  })
  .meta({ id: 'NewLinkRequest' });

const LinkRequest = z
  .object({
    id: z.string().meta({ examples: ['lnk_01JD0000000000000000000000'] }),
    url: z.string().meta({
      description: 'To be sent to `address`, and to nobody else: whoever opens it can confirm.',
    }),
    contact_id: z.string(),
    other_contact_id: z.string(),
    address: z.string(),
    expires_at: z.iso.datetime(),
  })
  .meta({ id: 'LinkRequest' });

export const contactMergeRoutes: readonly AnyRoute[] = [
  route({
    method: 'post',
    path: '/v1/contacts/{id}/merge',
    summary: 'Make two contacts one',
    description:
      'For an agent who knows that they are one person. Tickets, conversations and addresses of the other move to this contact in one step, with `contact.merged`; a repeat changes nothing.',
    tags,
    scope: 'contacts:write',
    params,
    body: ContactMerge,
    response: Contact,
    status: 200,
    handler: async ({ deps, tenantId, params: { id }, body, caller }) => {
      if (body.contact_id === id)
        throw invalid('A contact can only be merged with another one.', [
          { pointer: '/contact_id', message: 'is this contact itself' },
        ]);
      const pending = new Pending(tenantId);
      const row = await inTenant(deps.db, tenantId, async (tx) => {
        if ((await contactIdOf(tx, id)) === null) throw notFound('contact', id);
        const merge = {
          into: id,
          other: body.contact_id,
          actor: caller.actor,
          reason: body.reason,
        };
        const kept = await mergeContacts(tx, pending, tenantId, merge);
        if (kept === null)
          throw invalid(`There is no contact "${body.contact_id}".`, [
            { pointer: '/contact_id', message: 'is not known' },
          ]);
        return (await selectContact(tx, kept))!;
      });
      await deps.relay.flush(pending);
      return showContact(row);
    },
  }),
  route({
    method: 'post',
    path: '/v1/contacts/{id}/link-requests',
    summary: 'Make a link by which a person confirms a second address',
    description:
      'For a person who says that another address is theirs too. The link is signed, works once and for a short time; send it to that address. Who opens it there and confirms makes the two contacts one.',
    tags,
    scope: 'contacts:write',
    params,
    body: NewLinkRequest,
    response: LinkRequest,
    handler: async ({ deps, tenantId, params: { id }, body, caller, newId }) => {
      const contact = await findContact(deps.db, tenantId, id);
      if (!contact) throw notFound('contact', id);
      const [address] = await readAddresses(deps, tenantId, [body.address], () => '/address');
      const [shown] = await readAddresses(
        deps,
        tenantId,
        [body.shown_address ?? usualAddress(contact.addresses)],
        () => '/shown_address',
      );
      if (!contact.addresses.includes(shown!))
        throw invalid(`The contact has no address ${shown!}.`, [
          { pointer: '/shown_address', message: 'is not one of this contact’s addresses' },
        ]);
      const expiresAt = new Date(Date.now() + body.valid_minutes * 60_000);
      const link = await inTenant(deps.db, tenantId, async (tx) => {
        const otherId = await contactAt(tx, tenantId, address!);
        if (otherId === null)
          throw invalid(`Nobody is known by ${address!} yet, so there is nobody to link.`, [
            {
              pointer: '/address',
              message: 'is no contact’s address; it is one as soon as they have written from it',
            },
          ]);
        if (otherId === contact.id)
          throw conflict('already_linked', `${address!} is this contact’s already.`);
        return insertContactLink(
          tx,
          {
            id: newId('contactLink'),
            tenantId,
            contactId: contact.id as typeof otherId,
            otherId,
            address: address!,
            shownAddress: shown!,
            expiresAt,
          },
          caller.actor,
        );
      });
      return {
        id: link.id,
        url: `${deps.config.publicUrl}/link/${linkToken(deps, link)}`,
        contact_id: link.contactId,
        other_contact_id: link.otherId,
        address: link.address,
        expires_at: link.expiresAt.toISOString(),
      };
    },
  }),
];

function usualAddress(addresses: readonly string[]): string {
  const usual = addresses.find((address) => address.includes('@')) ?? addresses[0];
  if (usual !== undefined) return usual;
  throw conflict('no_address', 'The contact has no address that could be shown on the page.');
}

import { z } from 'zod';
import { assertNever } from '../../domain/assert-never.ts';
import { inTenant } from '../../db/connection.ts';
import { unmergeContacts, type Unmerged } from '../../db/queries/contact-unmerge.ts';
import { contactIdOf, selectContact } from '../../db/queries/contacts.ts';
import { Pending } from '../../db/queries/outbox.ts';
import { Contact } from '../../domain/ticket.ts';
import { MergeReason, showContact } from '../contacts.ts';
import { conflict, invalid, notFound, type Problem } from '../problem.ts';
import { route, type AnyRoute } from '../route.ts';

const ContactUnmerge = z
  .strictObject({
    contact_id: z.string().meta({
      description: 'The id of the contact that was merged into this one, as `contact.merged` told.',
    }),
    reason: MergeReason.meta({
      description: 'Why they are two persons; kept in the audit trail.',
      examples: ['The number is her brother’s'],
    }),
  })
  .meta({ id: 'ContactUnmerge' });

export const contactUnmergeRoutes: readonly AnyRoute[] = [
  route({
    method: 'post',
    path: '/v1/contacts/{id}/unmerge',
    summary: 'Make one contact two again',
    description:
      'Undoes a merge. The addresses that came with the other contact go back to it, with their conversations, the tickets that were its own, and those begun through these addresses since; `contact.unmerged` tells of it. Answers with the other contact; a repeat changes nothing.',
    tags: ['Contacts'],
    scope: 'contacts:write',
    params: z.object({ id: z.string() }),
    body: ContactUnmerge,
    response: Contact,
    status: 200,
    handler: async ({ deps, tenantId, params: { id }, body, caller }) => {
      const { contact_id: other, reason } = body;
      const pending = new Pending(tenantId);
      const row = await inTenant(deps.db, tenantId, async (tx) => {
        if ((await contactIdOf(tx, id)) === null) throw notFound('contact', id);
        const wanted = { from: id, other, actor: caller.actor, reason };
        const parted = await unmergeContacts(tx, pending, tenantId, wanted);
        if (parted.outcome !== 'apart') throw refusal(parted.outcome, other);
        return (await selectContact(tx, parted.contactId))!;
      });
      await deps.relay.flush(pending);
      return showContact(row);
    },
  }),
];

function refusal(outcome: Exclude<Unmerged['outcome'], 'apart'>, other: string): Problem {
  switch (outcome) {
    case 'unknown':
      return invalid(`There is no contact "${other}".`, [
        { pointer: '/contact_id', message: 'is not known' },
      ]);
    case 'same':
      return invalid(
        `"${other}" is the contact that stays; name the one that was merged into it.`,
        [{ pointer: '/contact_id', message: 'is this contact itself' }],
      );
    case 'elsewhere':
      return conflict(
        'merged_elsewhere',
        `"${other}" became another contact than this one; GET /v1/contacts/${other} shows which.`,
      );
    case 'unrecorded':
      return conflict(
        'cannot_tell_apart',
        `The audit trail doesn’t say what came with "${other}", so nothing can be told apart.`,
      );
    case 'addresses_gone':
      return conflict(
        'cannot_tell_apart',
        `None of the addresses that came with "${other}" is this contact’s any more; give it its addresses back by PATCH /v1/contacts/{id} first.`,
      );
    default:
      return assertNever(outcome);
  }
}

import { z } from 'zod';
import { listMessages } from '../../db/queries/inbox.ts';
import { findSourceBlob, showMessage } from '../../db/queries/messages.ts';
import { Direction, Message, MessageStatus } from '../../domain/message.ts';
import { Ticket } from '../../domain/ticket.ts';
import { findProvider } from '../../providers/registry.ts';
import { ProviderName } from '../channels/name.ts';
import { currentContact } from '../contacts.ts';
import { FailingAccount, failingAccounts } from '../failing-accounts.ts';
import { syncFirst } from '../fresh.ts';
import { NewReply, payloadOf } from '../message-input.ts';
import { flag, listOf, page, pageOf, pageQuery, placeInTime, readCursor } from '../page.ts';
import { notFound } from '../problem.ts';
import { route, type AnyRoute } from '../route.ts';
import { shownMessages } from '../shown-messages.ts';
import { shownTicket } from '../shown-ticket.ts';
import { storedBytes } from '../stored-bytes.ts';
import { commandForMessage, ticketIdOf } from '../ticket-commands.ts';
import { ticketFor } from '../ticket-of-message.ts';

const tags = ['Messages'];
const params = z.object({ id: z.string().meta({ examples: ['msg_01JD0000000000000000000000'] }) });

export const messageRoutes: readonly AnyRoute[] = [
  route({
    method: 'get',
    path: '/v1/messages',
    summary: 'List messages of every channel, newest first',
    description:
      'All accounts and channels merged by the messages’ own time. An account in trouble hides nothing of the others: ' +
      '`accounts` names it beside what there is.',
    tags,
    scope: 'messages:read',
    query: z.object({
      ...pageQuery,
      channel: ProviderName.optional().meta({ description: 'A provider’s name.' }),
      account_id: z.string().optional().meta({ description: 'A channel.' }),
      ticket_id: z.string().optional().meta({ description: 'A ticket’s id or number.' }),
      contact_id: z.string().optional().meta({ description: 'As GET /v1/contacts/{id}/messages.' }),
      source_id: z.string().optional(),
      status: listOf(MessageStatus).optional(),
      direction: Direction.optional(),
      since: z.iso
        .datetime({ offset: true })
        .optional()
        .meta({ description: 'By the message’s own time, included.' }),
      until: z.iso
        .datetime({ offset: true })
        .optional()
        .meta({ description: 'By the message’s own time, not included.' }),
      fresh: flag.optional().meta({
        description:
          'Syncs the running channels first, and waits for what they bring: at most ten seconds.',
      }),
    }),
    response: pageOf(Message).extend({
      accounts: z.array(FailingAccount).meta({
        description:
          'Of the channels asked for those that back off, need attention, or could not be synced in time.',
      }),
    }),
    handler: async ({ deps, tenantId, query: { limit, cursor, fresh, ...filter }, signal }) => {
      const after = readCursor(cursor, placeInTime);
      const channels = { channelId: filter.account_id, provider: filter.channel };
      const synced = fresh ? await syncFirst(deps, tenantId, channels, signal) : null;
      const contactId =
        filter.contact_id && (await currentContact(deps, tenantId, filter.contact_id));
      const ticketId = filter.ticket_id && (await ticketIdOf({ deps, tenantId }, filter.ticket_id));
      const rows = await listMessages(
        deps.db,
        tenantId,
        { ...filter, contact_id: contactId, ticket_id: ticketId },
        { after, limit: limit + 1, order: 'desc' },
      );
      const shown = page(
        rows,
        limit,
        (message) => message,
        ({ timestamp, id }) => [timestamp, id],
      );
      return {
        ...shown,
        data: await shownMessages(deps, tenantId, shown.data),
        accounts: await failingAccounts(deps, tenantId, channels, synced),
      };
    },
  }),
  route({
    method: 'get',
    path: '/v1/messages/{id}',
    summary: 'Show a message',
    tags,
    scope: 'messages:read',
    params,
    response: Message,
    handler: async ({ deps, tenantId, params }) => {
      const message = await showMessage(deps.db, tenantId, params.id);
      if (!message) throw notFound('message', params.id);
      return (await shownMessages(deps, tenantId, [message]))[0]!;
    },
  }),
  route({
    method: 'get',
    path: '/v1/messages/{id}/source',
    summary: 'The raw bytes it came as',
    tags,
    scope: 'messages:read',
    params,
    downloads: 'application/octet-stream',
    handler: async ({ deps, tenantId, params }) => {
      const blob = await findSourceBlob(deps.db, tenantId, params.id);
      if (!blob) throw notFound('source of message', params.id);
      const isMail = findProvider(blob.provider)?.manifest.source === 'mime';
      return isMail
        ? storedBytes(deps, tenantId, blob, 'message/rfc822', `${params.id}.eml`)
        : storedBytes(deps, tenantId, blob, 'application/octet-stream', params.id);
    },
  }),
  route({
    method: 'post',
    path: '/v1/messages/{id}/reply',
    summary: 'Answer a message',
    description:
      'As an answer on its ticket, by the channel and account that the message came or went by; `channel` or `account_id` sends it by another. A message without a ticket begins one, unless the answer is refused.',
    tags,
    scope: 'tickets:write',
    params,
    body: NewReply,
    maxBytes: 4 * 1024 * 1024,
    response: Message,
    handler: async (call) => {
      const message = await showMessage(call.deps.db, call.tenantId, call.params.id);
      if (!message) throw notFound('message', call.params.id);
      const named = message.direction === 'internal' ? {} : { in_reply_to: message.id };
      const payload = { ...payloadOf(call.body), ...named };
      const { ticketId } = await ticketFor(call, message, payload);
      return commandForMessage(call, ticketId, 'reply', payload);
    },
  }),
  route({
    method: 'post',
    path: '/v1/messages/{id}/ticket',
    summary: 'Make a ticket of a message that has none',
    description:
      'What its conversation has without a ticket goes there too, and what the customer writes next. Where the conversation has a ticket that takes messages still, it goes to that.',
    tags,
    scope: 'tickets:write',
    params,
    response: Ticket,
    otherAnswers: { 200: 'The ticket that it belongs to already, or that its conversation has.' },
    responseHeaders: { ETag: 'The ticket’s version, for If-Match.' },
    handler: async (call) => {
      const message = await showMessage(call.deps.db, call.tenantId, call.params.id);
      if (!message) throw notFound('message', call.params.id);
      const { ticketId, isNew } = await ticketFor(call, message);
      return shownTicket(call.deps, call.tenantId, ticketId, isNew ? 201 : 200);
    },
  }),
];

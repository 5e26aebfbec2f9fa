import { z } from 'zod';
import { listMessages } from '../../db/queries/inbox.ts';
import { listTickets } from '../../db/queries/ticket-list.ts';
import { listTimeline } from '../../db/queries/timeline.ts';
import { EventType } from '../../domain/events.ts';
import { Message } from '../../domain/message.ts';
import { Ticket, TicketPriority, TicketStatus } from '../../domain/ticket.ts';
import type { CommandUpdate } from '../../workflows/contracts/ticket.ts';
import { ticketsWithConversation } from '../channels/conversation.ts';
import { ifMatch } from '../etag.ts';
import { NewNote, NewReply, payloadOf } from '../message-input.ts';
import { ProviderName } from '../channels/name.ts';
import { listOf, page, pageOf, pageQuery, readCursor } from '../page.ts';
import { route, type AnyRoute } from '../route.ts';
import { shownMessages } from '../shown-messages.ts';
import { linked, shownTicket } from '../shown-ticket.ts';
import { command, commandForMessage, ticketOf } from '../ticket-commands.ts';

const tags = ['Tickets'];
const params = z.object({
  id: z.string().meta({ description: 'The ticket’s id, or its number.', examples: ['42'] }),
});
const Place = z.tuple([z.iso.datetime(), z.string()]);

const TicketChange = z
  .strictObject({
    subject: z.string().trim().min(1).max(500),
    status: TicketStatus,
    priority: TicketPriority,
    assignee_id: z.string().nullable(),
    team_id: z.string().nullable(),
    tags: z.array(z.string().trim().min(1).max(100)).max(100),
    custom_fields: z
      .record(z.string().max(100), z.unknown())
      .meta({ description: 'Fields given are set, null removes one, others stay.' }),
  })
  .partial()
  .refine((change) => Object.keys(change).length > 0, 'Give at least one field to change.')
  .meta({ id: 'TicketChange' });

const placed = { id: z.string(), at: z.iso.datetime() };
const TimelineEntry = z
  .discriminatedUnion('type', [
    z.object({
      type: z.literal('message'),
      ...placed,
      message: Message,
    }),
    z.object({
      type: z.literal('change'),
      ...placed,
      action: z.string(),
      actor: z.object({ type: z.string(), id: z.string() }),
      reason: z.string().nullable(),
      changes: z.record(z.string(), z.tuple([z.unknown(), z.unknown()])),
    }),
    z.object({
      type: z.literal('event'),
      ...placed,
      event: z.object({
        type: EventType,
        sequence: z.int().nullable(),
        message_id: z.string().nullable().meta({ description: 'Of the message that it is about.' }),
      }),
    }),
  ])
  .meta({ id: 'TimelineEntry' });

export const ticketRoutes: readonly AnyRoute[] = [
  route({
    method: 'get',
    path: '/v1/tickets',
    summary: 'List tickets, newest first',
    tags,
    scope: 'tickets:read',
    query: z.object({
      ...pageQuery,
      status: listOf(TicketStatus).optional(),
      priority: listOf(TicketPriority).optional(),
      assignee_id: z.string().optional().meta({ description: 'An agent, or `none`.' }),
      team_id: z.string().optional(),
      tag: z.string().optional(),
      channel: ProviderName.optional().meta({ description: 'A provider’s name.' }),
      account_id: z.string().optional(),
      requester_id: z.string().optional(),
      q: z.string().max(500).optional().meta({
        description: 'Full text over subjects, people and messages: words, "phrases", -without.',
      }),
    }),
    response: pageOf(Ticket),
    handler: async ({ deps, tenantId, query: { limit, cursor, ...filter } }) => {
      const after = readCursor(cursor, z.string());
      const rows = await listTickets(deps.db, tenantId, filter, { after, limit: limit + 1 });
      const shown = page(
        rows,
        limit,
        (ticket) => linked(deps, tenantId, ticket),
        (ticket) => ticket.id,
      );
      return { ...shown, data: await ticketsWithConversation(deps, tenantId, shown.data) };
    },
  }),
  route({
    method: 'get',
    path: '/v1/tickets/{id}',
    summary: 'Show a ticket',
    tags,
    scope: 'tickets:read',
    params,
    response: Ticket,
    responseHeaders: { ETag: 'The ticket’s version, for If-Match.' },
    handler: ({ deps, tenantId, params }) => shownTicket(deps, tenantId, params.id),
  }),
  route({
    method: 'patch',
    path: '/v1/tickets/{id}',
    summary: 'Change a ticket',
    description:
      'Assign, set status, priority, tags, subject or fields: what is given is changed, in one step.',
    tags,
    scope: 'tickets:write',
    params,
    headers: { 'If-Match': 'Only where the ticket still has this version.' },
    body: TicketChange,
    response: Ticket,
    responseHeaders: { ETag: 'The ticket’s version, for If-Match.' },
    handler: async (call) => {
      const wanted = ifMatch(call.headers['if-match']);
      const change = updateFor(call.body);
      const { ticketId } = await command(call, call.params.id, change, call.body, wanted);
      return shownTicket(call.deps, call.tenantId, ticketId);
    },
  }),
  route({
    method: 'post',
    path: '/v1/tickets/{id}/messages',
    summary: 'Answer the customer',
    description:
      'It leaves as the customer’s latest message came, unless told otherwise. Returns as soon as the answer is queued; it is then tried for 24 hours. `message.sent` or `message.failed` tells how it went.',
    tags,
    scope: 'tickets:write',
    params,
    body: NewReply,
    maxBytes: 4 * 1024 * 1024,
    response: Message,
    handler: (call) => commandForMessage(call, call.params.id, 'reply', payloadOf(call.body)),
  }),
  route({
    method: 'post',
    path: '/v1/tickets/{id}/notes',
    summary: 'Leave an internal note',
    description: 'No customer sees it; it neither starts nor stops a clock.',
    tags,
    scope: 'tickets:write',
    params,
    body: NewNote,
    maxBytes: 4 * 1024 * 1024,
    response: Message,
    handler: (call) => commandForMessage(call, call.params.id, 'note', payloadOf(call.body)),
  }),
  route({
    method: 'get',
    path: '/v1/tickets/{id}/messages',
    summary: 'The conversation, oldest first',
    tags,
    scope: 'tickets:read',
    params,
    query: z.object(pageQuery),
    response: pageOf(Message),
    handler: async ({ deps, tenantId, params, query }) => {
      const ticket = await ticketOf({ deps, tenantId }, params.id);
      const rows = await listMessages(
        deps.db,
        tenantId,
        { ticket_id: ticket.id },
        { after: readCursor(query.cursor, Place), limit: query.limit + 1, order: 'asc' },
      );
      const shown = page(
        rows,
        query.limit,
        (message) => message,
        ({ timestamp, id }) => [timestamp, id],
      );
      return { ...shown, data: await shownMessages(deps, tenantId, shown.data) };
    },
  }),
  route({
    method: 'get',
    path: '/v1/tickets/{id}/timeline',
    summary: 'Everything that happened on it, oldest first',
    tags,
    scope: 'tickets:read',
    params,
    query: z.object(pageQuery),
    response: pageOf(TimelineEntry),
    handler: async ({ deps, tenantId, params, query }) => {
      const ticket = await ticketOf({ deps, tenantId }, params.id);
      const rows = await listTimeline(deps.db, tenantId, ticket.id, {
        after: readCursor(query.cursor, Place),
        limit: query.limit + 1,
      });
      const shown = page(
        rows,
        query.limit,
        (entry) => entry,
        ({ at, id }) => [at, id],
      );
      const messages = shown.data.flatMap((entry) =>
        entry.type === 'message' ? entry.message : [],
      );
      const byId = new Map(
        (await shownMessages(deps, tenantId, messages)).map((message) => [message.id, message]),
      );
      return {
        ...shown,
        data: shown.data.map((entry) =>
          entry.type === 'message' ? { ...entry, message: byId.get(entry.id)! } : entry,
        ),
      };
    },
  }),
];

/** The Update that says in the workflow's history what is changed. */
function updateFor(change: z.output<typeof TicketChange>): CommandUpdate {
  const fields = Object.keys(change);
  if (fields.every((field) => field === 'assignee_id' || field === 'team_id')) return 'assign';
  if (fields.length > 1) return 'edit';
  switch (fields[0]) {
    case 'status':
      return 'setStatus';
    case 'priority':
      return 'setPriority';
    case 'tags':
      return 'setTags';
    default:
      return 'edit';
  }
}

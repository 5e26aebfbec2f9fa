import { z } from 'zod';
import { startScheduledNow } from '../../db/hand-over-scheduled.ts';
import {
  cancelScheduled,
  findScheduled,
  insertScheduled,
  listScheduled,
  type ScheduledRow,
} from '../../db/queries/scheduled-messages.ts';
import { isLocalTime, isTimeZone, localTimeOf } from '../../domain/send-time.ts';
import { scheduledMessageWorkflowId } from '../../workflows/contracts/scheduled-message.ts';
import type { ApiDeps } from '../deps.ts';
import { carriesSomething, CARRIES_NOTHING, payloadOf, replyFields } from '../message-input.ts';
import { listOf, page, pageOf, pageQuery, readCursor } from '../page.ts';
import { conflict, notFound } from '../problem.ts';
import { answer, route, type AnyRoute } from '../route.ts';
import { checkScheduled } from '../scheduled/check.ts';
import { sendTime } from '../scheduled/when.ts';
import { ticketIdOf, ticketOf } from '../ticket-commands.ts';

const tags = ['Scheduled messages'];
const params = z.object({ id: z.string().meta({ examples: ['sch_01JD0000000000000000000000'] }) });

const Status = z
  .enum(['scheduled', 'sent', 'cancelled', 'failed'])
  .meta({ id: 'ScheduledMessageStatus' });

const SendAt = z
  .string()
  .refine(
    (text) => isLocalTime(text) || z.iso.datetime({ offset: true }).safeParse(text).success,
    'wants a time such as 2027-03-01T09:00:00Z, or by the wall clock 2027-03-01T09:00',
  )
  .meta({
    description:
      'RFC 3339; or without offset, by the wall clock of `time_zone`, else of the customer (the contact’s zone, or that of their number’s country), else of the business calendar.',
    examples: ['2027-03-01T09:00'],
  });

const NewScheduledMessage = z
  .strictObject({
    ...replyFields,
    ticket_id: z.string().meta({ description: 'The ticket’s id, or its number.' }),
    send_at: SendAt,
    time_zone: z
      .string()
      .refine(isTimeZone, 'is no IANA time zone')
      .optional()
      .meta({
        examples: ['Europe/Berlin'],
      }),
  })
  .refine(carriesSomething, CARRIES_NOTHING)
  .meta({ id: 'NewScheduledMessage' });

const ScheduledMessage = z
  .object({
    id: z.string(),
    ticket_id: z.string(),
    account_id: z.string().meta({ description: 'The channel it leaves by.' }),
    status: Status,
    send_at: z.iso.datetime(),
    time_zone: z.string().nullable(),
    local_time: z.iso
      .datetime({ offset: true })
      .nullable()
      .meta({ description: 'What the wall clock shows there then.' }),
    message: z
      .record(z.string(), z.unknown())
      .meta({ description: 'What is to be said, as it was given.' }),
    message_id: z.string().nullable().meta({ description: 'Once it was sent.' }),
    error: z
      .object({ code: z.string(), detail: z.string() })
      .nullable()
      .meta({ description: 'Why it could not be sent.' }),
    created_at: z.iso.datetime(),
    ended_at: z.iso.datetime().nullable(),
    workflow_url: z.string(),
  })
  .meta({ id: 'ScheduledMessage' });

export const scheduledMessageRoutes: readonly AnyRoute[] = [
  route({
    method: 'post',
    path: '/v1/scheduled-messages',
    summary: 'Set an answer for a time',
    description:
      'Sent once, as an answer on its ticket, or never where it was cancelled before. What can be checked is checked now and again then; where it is refused then, `scheduled_message.failed` tells.',
    tags,
    scope: 'tickets:write',
    body: NewScheduledMessage,
    maxBytes: 4 * 1024 * 1024,
    response: ScheduledMessage,
    handler: async (call) => {
      const { deps, tenantId, caller, newId } = call;
      const { ticket_id, send_at, time_zone, ...reply } = call.body;
      const ticket = await ticketOf(call, ticket_id);
      const { at, timeZone } = await sendTime(call, ticket, { send_at, time_zone });
      const payload = payloadOf(reply);
      const { channelId } = await checkScheduled(call, ticket, payload, at);
      const row = await insertScheduled(deps.db, tenantId, {
        id: newId('scheduledMessage'),
        ticketId: ticket.id,
        channelId,
        payload,
        sendAt: at,
        timeZone,
        actor: caller.actor,
      });
      const sendAt = row.send_at.toISOString();
      await startScheduledNow(deps, { tenantId, scheduledId: row.id, sendAt });
      return answer(show(deps, row), { headers: { Location: `/v1/scheduled-messages/${row.id}` } });
    },
  }),
  route({
    method: 'get',
    path: '/v1/scheduled-messages',
    summary: 'List scheduled messages, newest first',
    tags,
    scope: 'tickets:read',
    query: z.object({
      ...pageQuery,
      ticket_id: z.string().optional().meta({ description: 'A ticket’s id or number.' }),
      status: listOf(Status).optional(),
    }),
    response: pageOf(ScheduledMessage),
    handler: async ({ deps, tenantId, query: { limit, cursor, ...filter } }) => {
      const after = readCursor(cursor, z.string());
      const ticket_id =
        filter.ticket_id && (await ticketIdOf({ deps, tenantId }, filter.ticket_id));
      const rows = await listScheduled(
        deps.db,
        tenantId,
        { ...filter, ticket_id },
        { after, limit: limit + 1 },
      );
      return page(
        rows,
        limit,
        (row) => show(deps, row),
        ({ id }) => id,
      );
    },
  }),
  route({
    method: 'get',
    path: '/v1/scheduled-messages/{id}',
    summary: 'Show a scheduled message',
    tags,
    scope: 'tickets:read',
    params,
    response: ScheduledMessage,
    handler: async ({ deps, tenantId, params }) => {
      const row = await findScheduled(deps.db, tenantId, params.id);
      if (!row) throw notFound('scheduled message', params.id);
      return show(deps, row);
    },
  }),
  route({
    method: 'delete',
    path: '/v1/scheduled-messages/{id}',
    summary: 'Cancel a scheduled message',
    description: 'Where it is answered with success it is never sent; 409 where it has been.',
    tags,
    scope: 'tickets:write',
    params,
    response: ScheduledMessage,
    handler: async ({ deps, tenantId, params }) => {
      const found = await cancelScheduled(deps.db, tenantId, params.id);
      if (!found) throw notFound('scheduled message', params.id);
      if (!found.cancelled)
        throw conflict(
          `already_${found.row.status}`,
          `It can't be cancelled: it has ${found.row.status === 'sent' ? 'been sent' : 'failed'} already.`,
        );
      await endWait(deps, tenantId, params.id);
      return show(deps, found.row);
    },
  }),
];

/** Spares the wait; should Temporal be away, the workflow finds it cancelled when its time comes. */
async function endWait(
  { relay, log }: ApiDeps,
  tenantId: string,
  scheduledId: string,
): Promise<void> {
  try {
    await relay.cancelScheduled?.({ tenantId, scheduledId });
  } catch (error) {
    log.warn({ tenant: tenantId, err: error }, 'a cancelled message’s workflow waits on');
  }
}

function show({ relay }: ApiDeps, row: ScheduledRow): z.output<typeof ScheduledMessage> {
  const workflowId = scheduledMessageWorkflowId({ tenantId: row.tenant_id, scheduledId: row.id });
  return {
    id: row.id,
    ticket_id: row.ticket_id,
    account_id: row.channel_id,
    status: row.status,
    send_at: row.send_at.toISOString(),
    time_zone: row.time_zone,
    local_time: row.time_zone && localTimeOf(row.send_at, row.time_zone),
    message: row.payload,
    message_id: row.message_id,
    error: row.error,
    created_at: row.created_at.toISOString(),
    ended_at: row.ended_at?.toISOString() ?? null,
    workflow_url: relay.workflowUrl(workflowId),
  };
}

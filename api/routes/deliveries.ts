import { z } from 'zod';
import {
  listDeliveries,
  readDelivery,
  type ListedDelivery,
} from '../../db/queries/delivery-list.ts';
import { readEndpoint } from '../../db/queries/endpoints.ts';
import { Pending } from '../../db/queries/outbox.ts';
import { createPing, replayDelivery, replayRange } from '../../db/queries/replay.ts';
import { EventType } from '../../domain/events.ts';
import type { TenantId } from '../../domain/ids.ts';
import { Delivery, DeliveryStatus } from '../../domain/webhook.ts';
import { webhookDeliveryWorkflowId } from '../../workflows/contracts/webhook-delivery.ts';
import { webhookDispatcherWorkflowId } from '../../workflows/contracts/webhook-dispatcher.ts';
import type { ApiDeps } from '../deps.ts';
import { listOf, page, pageOf, pageQuery, readCursor } from '../page.ts';
import { conflict, notFound } from '../problem.ts';
import { route } from '../route.ts';

const tags = ['Webhooks'];
const params = z.object({ id: z.string() });
/** Of a replayed range, as many are started before the answer; the drain starts the others. */
const STARTED_AT_ONCE = 100;

const ReplayFilter = z
  .strictObject({
    since: z.iso.datetime({ offset: true }).meta({ description: 'Made at this time or later.' }),
    until: z.iso.datetime({ offset: true }).meta({ description: 'Made before this time.' }),
    status: z.enum(['failed', 'delivered']).meta({ description: 'Left out: both.' }),
    types: z.array(EventType).min(1),
  })
  .partial()
  .meta({ id: 'ReplayFilter' });

const ReplayReceipt = z
  .object({
    replayed: z.int().meta({ description: 'Deliveries put back to pending.' }),
    started: z.int().meta({ description: 'Of these, handed over already.' }),
    queued: z.int().meta({ description: 'Of these, waiting to be started in the background.' }),
  })
  .meta({ id: 'ReplayReceipt' });

export const deliveryRoutes = [
  route({
    method: 'post',
    path: '/v1/webhook-endpoints/{id}/test',
    summary: 'Send a ping to a webhook endpoint',
    description:
      'A delivery like any other, of an event of type `ping`, to this endpoint alone, even while it is switched off.',
    tags,
    scope: 'webhooks:write',
    params,
    status: 202,
    response: Delivery,
    handler: async ({ deps, tenantId, params: { id } }) => {
      const pending = new Pending(tenantId);
      const deliveryId = await createPing(deps.db, pending, id);
      if (deliveryId === null) throw notFound('webhook endpoint', id);
      await deps.relay.flush(pending);
      return show(deps, tenantId, deliveryId);
    },
  }),
  route({
    method: 'post',
    path: '/v1/webhook-endpoints/{id}/replay',
    summary: 'Send a range of deliveries again',
    description:
      'Every finished delivery that fits the filter gets a fresh budget of attempts, under the same event ids. Without a filter: all there are. Those still pending are left alone.',
    tags,
    scope: 'webhooks:write',
    params,
    body: ReplayFilter,
    bodyOptional: true,
    status: 202,
    response: ReplayReceipt,
    handler: async ({ deps, tenantId, params: { id }, body }) => {
      const endpoint = await readEndpoint(deps.db, deps.keys, tenantId, id);
      if (!endpoint) throw notFound('webhook endpoint', id);
      if (!endpoint.is_active) throw switchedOff();
      const pending = new Pending(tenantId);
      const range = {
        endpointId: id,
        since: time(body.since),
        until: time(body.until),
        status: body.status && [body.status],
        types: body.types,
      };
      const replayed = await replayRange(deps.db, pending, range, STARTED_AT_ONCE);
      await deps.relay.flush(pending);
      const started = pending.deliveries.length;
      return { replayed, started, queued: replayed - started };
    },
  }),
  route({
    method: 'get',
    path: '/v1/webhook-endpoints/{id}/deliveries',
    summary: 'List a webhook endpoint’s deliveries',
    description: 'Newest first, each with its attempts.',
    tags,
    scope: 'webhooks:read',
    params,
    query: z.object({
      ...pageQuery,
      status: listOf(DeliveryStatus).optional(),
      type: listOf(EventType).optional(),
    }),
    response: pageOf(Delivery),
    handler: async ({ deps, tenantId, params: { id }, query }) => {
      if (!(await readEndpoint(deps.db, deps.keys, tenantId, id)))
        throw notFound('webhook endpoint', id);
      const rows = await listDeliveries(deps.db, tenantId, {
        endpointId: id,
        status: query.status,
        types: query.type,
        before: readCursor(query.cursor, z.string()),
        limit: query.limit,
      });
      return page(rows, query.limit, withLink(deps, tenantId), (row) => row.id);
    },
  }),
  route({
    method: 'get',
    path: '/v1/deliveries/{id}',
    summary: 'Show a delivery',
    tags,
    scope: 'webhooks:read',
    params,
    response: Delivery,
    handler: ({ deps, tenantId, params: { id } }) => show(deps, tenantId, id),
  }),
  route({
    method: 'post',
    path: '/v1/deliveries/{id}/replay',
    summary: 'Send a delivery again',
    description: 'With a fresh budget of attempts, under the same event id.',
    tags,
    scope: 'webhooks:write',
    params,
    status: 202,
    response: Delivery,
    handler: async ({ deps, tenantId, params: { id } }) => {
      const pending = new Pending(tenantId);
      const outcome = await replayDelivery(deps.db, pending, id);
      if (outcome === 'not_found') throw notFound('delivery', id);
      if (outcome === 'endpoint_deleted')
        throw conflict(
          'endpoint_deleted',
          'Its endpoint was deleted; there is nowhere to send it.',
        );
      if (outcome === 'endpoint_inactive') throw switchedOff();
      if (outcome === 'still_pending')
        throw conflict(
          'still_pending',
          'It is still being delivered: next_attempt_at tells when it is tried next.',
        );
      await deps.relay.flush(pending);
      return show(deps, tenantId, id);
    },
  }),
];

async function show(deps: ApiDeps, tenantId: TenantId, id: string): Promise<Delivery> {
  const delivery = await readDelivery(deps.db, tenantId, id);
  if (!delivery) throw notFound('delivery', id);
  return withLink(deps, tenantId)(delivery);
}

function withLink(deps: ApiDeps, tenantId: TenantId) {
  const { taskQueuePrefix } = deps.config.temporal;
  return ({ streamed, ...delivery }: ListedDelivery): Delivery => {
    const { event_id: eventId, endpoint_id: endpointId } = delivery;
    const workflowId = streamed
      ? taskQueuePrefix + webhookDispatcherWorkflowId(0)
      : webhookDeliveryWorkflowId({ tenantId, eventId, endpointId });
    return { ...delivery, workflow_url: deps.relay.workflowUrl(workflowId) };
  };
}

function switchedOff() {
  return conflict(
    'endpoint_inactive',
    'The endpoint is switched off; set is_active to true first.',
  );
}

function time(text: string | undefined): Date | undefined {
  return text === undefined ? undefined : new Date(text);
}

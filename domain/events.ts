import { z } from 'zod';

export const EVENT_TYPES = [
  'ticket.created',
  'ticket.updated',
  'ticket.assigned',
  'ticket.resolved',
  'ticket.closed',
  'ticket.reopened',
  'message.received',
  'message.sent',
  'message.failed',
  'message.delivered',
  'message.read',
  'message.unconfirmed',
  'scheduled_message.failed',
  'message.bounced',
  'message.complained',
  'message.updated',
  'comment.added',
  'contact.merged',
  'contact.unmerged',
  'sla.warning',
  'sla.breached',
  'ticket.escalated',
  'channel.needs_attention',
  'channel.recovered',
  'channel.health_changed',
  'ping',
] as const;

export const EventType = z.enum(EVENT_TYPES).meta({ id: 'EventType' });
export type EventType = z.infer<typeof EventType>;

/** The body of a delivery and an item of `GET /v1/events`; `data` is frozen when the event is written. */
export const DomainEvent = z
  .object({
    id: z.string(),
    type: EventType,
    timestamp: z.iso.datetime(),
    sequence: z
      .int()
      .nullable()
      .describe('Counted per ticket, from 1; null where there is no ticket'),
    ticket_id: z.string().nullable(),
    data: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'Event' });
export type DomainEvent = z.infer<typeof DomainEvent>;

/** Whether an endpoint subscribed to `events` wants an event of this type; pings go only where they are aimed. */
export function isSubscribed(events: readonly string[], type: EventType): boolean {
  return type !== 'ping' && (events.includes('*') || events.includes(type));
}

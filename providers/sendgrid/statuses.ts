import { z } from 'zod';
import { serverWords } from '../connect.ts';
import type { DeliveryStatus } from '../contract.ts';
import { MESSAGE_ARGUMENT } from './send.ts';

/** https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event */
const Event = z.object({
  event: z.string(),
  /** Of a bounce: `bounce`, or `blocked` for what may be otherwise another time. */
  type: z.string().optional(),
  email: z.string().optional(),
  /** Seconds. */
  timestamp: z.number(),
  'smtp-id': z.string().optional(),
  reason: z.string().nullish(),
  response: z.string().nullish(),
  [MESSAGE_ARGUMENT]: z.string().optional(),
});
export const Events = z.array(Event);

const STATES: Readonly<Record<string, DeliveryStatus['status']>> = {
  delivered: 'delivered',
  bounce: 'bounced',
  dropped: 'failed',
  spamreport: 'complained',
};

/** What an event says of a message of ours; null where its state stays, or where the message is none of ours. */
export function statusOf(event: z.infer<typeof Event>): DeliveryStatus | null {
  const status =
    event.event === 'bounce' && event.type === 'blocked' ? 'failed' : STATES[event.event];
  const messageId = (event[MESSAGE_ARGUMENT] ?? event['smtp-id'])?.replace(/^<|>$/g, '');
  if (status === undefined || !messageId) return null;
  return {
    of: { messageId },
    status,
    ...(event.email !== undefined && { recipient: event.email }),
    detail: serverWords(event.reason ?? event.response ?? ''),
    at: new Date(event.timestamp * 1000),
  };
}

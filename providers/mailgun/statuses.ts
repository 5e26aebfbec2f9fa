import { z } from 'zod';
import { serverWords } from '../connect.ts';
import type { DeliveryStatus } from '../contract.ts';

const said = z
  .string()
  .nullish()
  .transform((value) => value ?? '');

/** https://documentation.mailgun.com/docs/mailgun/user-manual/events/events */
export const Event = z.object({
  'event-data': z.object({
    event: z.string(),
    /** Seconds, with a fraction. */
    timestamp: z.number(),
    recipient: z.string().optional(),
    severity: z.string().optional(),
    reason: said,
    reject: z.object({ reason: said }).optional(),
    'delivery-status': z.object({ message: said, description: said }).optional(),
    message: z.object({ headers: z.object({ 'message-id': z.string().optional() }) }).optional(),
  }),
});

/** What an event says of a message of ours; null where its state stays. */
export function statusOf({ 'event-data': event }: z.infer<typeof Event>): DeliveryStatus | null {
  const messageId = event.message?.headers['message-id']?.replace(/^<|>$/g, '');
  const status = stateOf(event);
  if (!messageId || status === null) return null;
  const delivery = event['delivery-status'];
  const words = [delivery?.message, delivery?.description, event.reject?.reason, event.reason];
  return {
    of: { messageId },
    status,
    ...(event.recipient !== undefined && { recipient: event.recipient }),
    detail: serverWords(words.find((text) => text !== undefined && text !== '')),
    at: new Date(event.timestamp * 1000),
  };
}

/** Reasons of a final failure that say nothing of the address: it may be good another time. */
const NOT_THE_ADDRESS =
  /^(old|espblock|blacklisted|greylisted|tlsfailed|suppress-(complaint|unsubscribe))$/;

function stateOf({
  event,
  severity,
  reason,
}: z.infer<typeof Event>['event-data']): DeliveryStatus['status'] | null {
  switch (event) {
    case 'delivered':
    case 'complained':
      return event;
    case 'failed':
      if (severity === 'temporary') return null; // tried again by Mailgun
      return NOT_THE_ADDRESS.test(reason) ? 'failed' : 'bounced';
    case 'rejected':
      return 'failed';
    default:
      return null;
  }
}

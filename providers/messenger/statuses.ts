import type { DeliveryStatus } from '../contract.ts';
import type { Event } from './webhook.ts';

/**
 * What an event says of messages of ours. A delivery names some of them, and both it and a read tell a mark in time: all
 * that was sent to this person until then
 * (https://developers.facebook.com/documentation/business-messaging/messenger-platform/webhooks/webhook-events/message-deliveries).
 */
export function statusesOf({ sender, delivery, read }: Event): DeliveryStatus[] {
  const person = sender?.id;
  const all = (status: 'delivered' | 'read', watermark: number): DeliveryStatus[] => {
    const at = new Date(watermark);
    if (person === undefined || Number.isNaN(at.getTime())) return [];
    return [{ of: { sentTo: person, until: at }, status, at }];
  };
  const named = (delivery?.mids ?? []).map((mid): DeliveryStatus => ({
    of: { providerMessageId: mid },
    status: 'delivered',
    at: timeOf(delivery!.watermark),
  }));
  return [
    ...named,
    ...(delivery ? all('delivered', delivery.watermark) : []),
    ...(read ? all('read', read.watermark) : []),
  ];
}

function timeOf(milliseconds: number): Date {
  const at = new Date(milliseconds);
  return Number.isNaN(at.getTime()) ? new Date() : at;
}

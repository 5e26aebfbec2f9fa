import { serverWords } from '../connect.ts';
import type { DeliveryStatus } from '../contract.ts';
import { markedMessage } from '../own-mark.ts';
import { codeOf, meaningOf } from './errors.ts';
import type { Status } from './webhook.ts';

const STATES: Readonly<Record<string, DeliveryStatus['status']>> = {
  sent: 'sent',
  delivered: 'delivered',
  read: 'read',
  played: 'read', // a voice message that was listened to
  failed: 'failed',
};

/**
 * What a status webhook says of a message of ours
 * (https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/status); null
 * where its state stays. Our mark, which goes along with each message, also names one whose id at WhatsApp never reached us.
 */
export function statusOf(status: Status): DeliveryStatus | null {
  const state = Object.hasOwn(STATES, status.status) ? STATES[status.status] : undefined;
  if (state === undefined || status.recipient_type === 'group') return null;
  const sentAs = markedMessage(status.biz_opaque_callback_data);
  const [error] = status.errors ?? [];
  const at = new Date((status.timestamp ?? Number.NaN) * 1000);
  return {
    of: { providerMessageId: status.id, ...(sentAs !== null && { sentAs }) },
    status: state,
    ...(error && { code: codeOf(error), detail: serverWords(meaningOf(error)) }),
    at: Number.isNaN(at.getTime()) ? new Date() : at,
  };
}

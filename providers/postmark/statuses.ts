import { z } from 'zod';
import { serverWords } from '../connect.ts';
import type { DeliveryStatus } from '../contract.ts';

const said = z
  .string()
  .nullish()
  .transform((value) => value ?? '');
const time = z.coerce.date();

/**
 * Bounce, delivery and spam complaint webhooks (https://postmarkapp.com/developer/webhooks/webhooks-overview); other
 * kinds say nothing of a message's state.
 */
export const Report = z.discriminatedUnion('RecordType', [
  z.object({
    RecordType: z.literal('Delivery'),
    MessageID: z.string(),
    Recipient: z.string(),
    DeliveredAt: time,
    Details: said,
  }),
  z.object({
    RecordType: z.literal('Bounce'),
    MessageID: z.string(),
    Type: z.string(),
    Email: z.string(),
    BouncedAt: time,
    Description: said,
    Details: said,
  }),
  z.object({
    RecordType: z.literal('SpamComplaint'),
    MessageID: z.string(),
    Email: z.string(),
    BouncedAt: time,
  }),
]);
export type Report = z.infer<typeof Report>;

/** Kinds of bounce (https://postmarkapp.com/developer/api/bounce-api#bounce-types) of a mail that may still arrive. */
const PASSING = new Set([
  'Transient',
  'AutoResponder',
  'AddressChange',
  'ChallengeVerification',
  'Subscribe',
  'Unsubscribe',
  'OpenRelayTest',
  'VirusNotification',
]);

/** What a report says of a message; null where its state stays. */
export function statusOf(report: Report): DeliveryStatus | null {
  const of = { providerMessageId: report.MessageID };
  switch (report.RecordType) {
    case 'Delivery':
      return {
        of,
        status: 'delivered',
        recipient: report.Recipient,
        detail: serverWords(report.Details),
        at: report.DeliveredAt,
      };
    case 'Bounce':
      if (PASSING.has(report.Type)) return null;
      return {
        of,
        status: bounceState(report.Type),
        recipient: report.Email,
        detail: serverWords(`${report.Description} ${report.Details}`),
        at: report.BouncedAt,
      };
    case 'SpamComplaint':
      return { of, status: 'complained', recipient: report.Email, at: report.BouncedAt };
  }
}

/** Only what says that the address is no good is a bounce; all else failed this once. */
function bounceState(type: string): DeliveryStatus['status'] {
  if (type === 'SpamComplaint') return 'complained';
  return type === 'HardBounce' || type === 'BadEmailAddress' ? 'bounced' : 'failed';
}

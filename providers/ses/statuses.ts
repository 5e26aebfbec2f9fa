import { z } from 'zod';
import { serverWords } from '../connect.ts';
import type { DeliveryStatus } from '../contract.ts';

const time = z.coerce.date();
const mail = z.object({
  messageId: z.string(),
  timestamp: time,
  destination: z.array(z.string()).catch([]),
});
const said = z.string().nullish();

/**
 * Notifications (`notificationType`) and published events (`eventType`) of sending
 * (https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html,
 * https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html).
 */
export const Report = z.object({
  notificationType: z.string().optional(),
  eventType: z.string().optional(),
  mail,
  bounce: z
    .object({
      bounceType: z.string(),
      timestamp: time,
      bouncedRecipients: z.array(
        z.object({ emailAddress: z.string(), action: said, status: said, diagnosticCode: said }),
      ),
    })
    .optional(),
  complaint: z
    .object({
      timestamp: time,
      complainedRecipients: z.array(z.object({ emailAddress: z.string() })),
    })
    .optional(),
  delivery: z
    .object({ timestamp: time, recipients: z.array(z.string()), smtpResponse: said })
    .optional(),
  reject: z.object({ reason: said }).optional(),
});
type Report = z.infer<typeof Report>;

/** What a report says of a message of ours, recipient by recipient. */
export function statusesOf(report: Report): DeliveryStatus[] {
  const of = { providerMessageId: report.mail.messageId };
  switch (report.eventType ?? report.notificationType) {
    case 'Delivery':
      return (report.delivery?.recipients ?? []).map((recipient) => ({
        of,
        status: 'delivered',
        recipient,
        detail: serverWords(report.delivery!.smtpResponse ?? ''),
        at: report.delivery!.timestamp,
      }));
    case 'Bounce':
      return bounces(report, of);
    case 'Complaint':
      return (report.complaint?.complainedRecipients ?? []).map(({ emailAddress }) => ({
        of,
        status: 'complained',
        recipient: emailAddress,
        at: report.complaint!.timestamp,
      }));
    case 'Reject':
    case 'Rendering Failure':
      return [
        {
          of,
          status: 'failed',
          detail: serverWords(report.reject?.reason ?? ''),
          at: report.mail.timestamp,
        },
      ];
    default:
      return []; // sent, delayed, opened, clicked
  }
}

function bounces({ bounce }: Report, of: DeliveryStatus['of']): DeliveryStatus[] {
  if (!bounce) return [];
  return bounce.bouncedRecipients.flatMap(({ emailAddress, action, status, diagnosticCode }) => {
    // An answering machine is reported as a transient bounce too, and failed nothing.
    if (bounce.bounceType === 'Transient' && action !== 'failed') return [];
    return [
      {
        of,
        // Only a permanent bounce says that the address is no good.
        status: bounce.bounceType === 'Permanent' ? ('bounced' as const) : ('failed' as const),
        recipient: emailAddress,
        detail: serverWords(`${status ?? ''} ${diagnosticCode ?? ''}`),
        at: bounce.timestamp,
      },
    ];
  });
}

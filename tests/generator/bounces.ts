import type { Letter } from './compose.ts';
import { SUPPORT } from './conversations.ts';
import { LANGUAGES } from './languages.ts';
import { multipart } from './mime.ts';
import { newMessageId } from './people.ts';
import type { Random } from './random.ts';

/** A delivery status notification (RFC 3464) about a mail that was not sent from here. */
export function bounce(at: Date, random: Random): Letter {
  const failed = `gone.${random.hex(8)}@nowhere.example`;
  const original = newMessageId(random);
  const text = `Your message to ${failed} could not be delivered.`;
  const part = (type: string, lines: readonly string[]) => ({
    headers: [`Content-Type: ${type}`],
    body: Buffer.from(`${lines.join('\r\n')}\r\n`),
  });
  return {
    thread: null,
    kind: 'bounce',
    language: LANGUAGES[0]!,
    from: {
      name: 'Mail Delivery System',
      address: 'mailer-daemon@nowhere.example',
      language: LANGUAGES[0]!,
    },
    to: [SUPPORT],
    cc: [],
    subject: 'Undelivered Mail Returned to Sender',
    text,
    quoted: null,
    messageId: newMessageId(random),
    inReplyTo: null,
    references: [],
    writtenAt: at,
    attachmentSizes: [],
    headers: ['Auto-Submitted: auto-replied', 'Return-Path: <>'],
    report: multipart(
      'report',
      [
        part('text/plain; charset=us-ascii', [text]),
        part('message/delivery-status', [
          'Reporting-MTA: dns; mx.nowhere.example',
          '',
          `Final-Recipient: rfc822; ${failed}`,
          'Action: failed',
          'Status: 5.1.1',
          'Diagnostic-Code: smtp; 550 5.1.1 user unknown',
        ]),
        part('text/rfc822-headers', [
          `From: ${SUPPORT.address}`,
          `To: ${failed}`,
          `Message-ID: <${original}>`,
          'Subject: An answer',
        ]),
      ],
      random,
      '; report-type=delivery-status',
    ),
  };
}

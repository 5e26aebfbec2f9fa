import { createHash, randomBytes } from 'node:crypto';
import MailComposer from 'nodemailer/lib/mail-composer';

const ATTACHMENT_BYTES = 10 * 1024 * 1024;

export const CUSTOMER = { name: 'Ådä Łovelace', address: 'ada@customers.test' };

export interface DemoMail {
  readonly raw: Buffer;
  readonly messageId: string;
  readonly subject: string;
  readonly text: string;
  /** Of its attachment. */
  readonly sha256: string;
  readonly filename: string;
  readonly size: number;
}

/** Text and HTML with letters of three scripts, and 10 MiB that compress to nothing less. */
export async function wholeMail(to: string): Promise<DemoMail> {
  const content = randomBytes(ATTACHMENT_BYTES);
  const messageId = `${randomBytes(8).toString('hex')}@customers.test`;
  const subject = 'Größe 42: 見積もり и счёт';
  const text = 'Grüße aus 東京.\nДо свидания!';
  const filename = 'Übersicht 10€.bin';
  const raw = await composed({
    from: CUSTOMER,
    to,
    subject,
    messageId: `<${messageId}>`,
    text,
    html: `<p>${text}</p>`,
    attachments: [{ filename, content, contentType: 'application/octet-stream' }],
  });
  const sha256 = createHash('sha256').update(content).digest('hex');
  return { raw, messageId, subject, text, sha256, filename, size: content.length };
}

/** A small mail: when it is in, so is all that came before it. */
export async function smallMail(to: string): Promise<{ raw: Buffer; messageId: string }> {
  const messageId = `${randomBytes(8).toString('hex')}@customers.test`;
  const raw = await composed({
    from: { name: 'Bob', address: 'bob@customers.test' },
    to,
    subject: 'Something else',
    messageId: `<${messageId}>`,
    text: 'Hello',
  });
  return { raw, messageId };
}

/** A delivery status notification (RFC 3464) of a mail that was sent as `messageId`. */
export function bounceOf(messageId: string, to: string): Buffer {
  const boundary = randomBytes(8).toString('hex');
  return Buffer.from(
    [
      'Return-Path: <>',
      'From: Mail Delivery Subsystem <mailer-daemon@mx.customers.test>',
      `To: ${to}`,
      'Subject: Undelivered Mail Returned to Sender',
      `Date: ${new Date().toUTCString().replace('GMT', '+0000')}`,
      `Message-ID: <${boundary}@mx.customers.test>`,
      'Auto-Submitted: auto-replied',
      'MIME-Version: 1.0',
      `Content-Type: multipart/report; report-type=delivery-status; boundary="${boundary}"`,
      '',
      `--${boundary}`,
      'Content-Type: text/plain; charset=us-ascii',
      '',
      'The mail could not be delivered: there is no such user here.',
      `--${boundary}`,
      'Content-Type: message/delivery-status',
      '',
      'Reporting-MTA: dns; mx.customers.test',
      '',
      `Final-Recipient: rfc822; ${CUSTOMER.address}`,
      'Action: failed',
      'Status: 5.1.1',
      'Diagnostic-Code: smtp; 550 5.1.1 user unknown',
      '',
      `--${boundary}`,
      'Content-Type: text/rfc822-headers',
      '',
      `Message-ID: <${messageId}>`,
      '',
      `--${boundary}--`,
      '',
    ].join('\r\n'),
  );
}

function composed(mail: ConstructorParameters<typeof MailComposer>[0]): Promise<Buffer> {
  return new MailComposer(mail).compile().build();
}

import { randomBytes } from 'node:crypto';
import type { ReportKind, SentMail } from '../mail-cloud.ts';

/** What SES did with a mail that came in: it gave it to SNS as text or in base64, or kept it in S3. */
export type SesMode = 'utf8' | 'base64' | 's3';

export interface StoredObject {
  readonly bucket: string;
  readonly key: string;
}

const PASS = { status: 'PASS' };

/** https://docs.aws.amazon.com/ses/latest/dg/receiving-email-notifications-contents.html */
export function received(
  raw: Buffer,
  mode: SesMode,
  envelope: { readonly from: string; readonly to: string },
  { bucket, key }: StoredObject,
  topicArn: string,
): object {
  const timestamp = new Date().toISOString();
  const action =
    mode === 's3'
      ? { type: 'S3', topicArn, bucketName: bucket, objectKey: key, objectKeyPrefix: 'inbound' }
      : { type: 'SNS', topicArn, encoding: mode === 'base64' ? 'BASE64' : 'UTF8' };
  return {
    notificationType: 'Received',
    receipt: {
      timestamp,
      processingTimeMillis: 222,
      recipients: [envelope.to],
      spamVerdict: PASS,
      virusVerdict: PASS,
      spfVerdict: PASS,
      dkimVerdict: { status: 'GRAY' },
      dmarcVerdict: { status: 'FAIL' },
      dmarcPolicy: 'none',
      action,
    },
    mail: {
      timestamp,
      source: envelope.from,
      messageId: key.split('/').at(-1),
      destination: [envelope.to],
      headersTruncated: false,
      headers: [],
      commonHeaders: {},
    },
    ...(mode !== 's3' && { content: raw.toString(mode) }),
  };
}

/** https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html */
export function report(mail: SentMail, kind: ReportKind): object {
  const [recipient] = mail.recipients;
  const timestamp = new Date().toISOString();
  const about = {
    mail: {
      timestamp: mail.at.toISOString(),
      messageId: mail.id,
      source: 'support@example.test',
      destination: mail.recipients,
    },
  };
  const feedbackId = randomBytes(16).toString('hex');
  switch (kind) {
    case 'delivered':
      return {
        notificationType: 'Delivery',
        ...about,
        delivery: {
          timestamp,
          recipients: [recipient],
          processingTimeMillis: 546,
          smtpResponse: `250 ok: to <${recipient}>`,
          reportingMTA: 'a8-70.smtp-out.amazonses.com',
        },
      };
    case 'bounced':
      return {
        notificationType: 'Bounce',
        ...about,
        bounce: {
          bounceType: 'Permanent',
          bounceSubType: 'General',
          timestamp,
          feedbackId,
          bouncedRecipients: [
            {
              emailAddress: recipient,
              action: 'failed',
              status: '5.1.1',
              diagnosticCode: `smtp; 550 5.1.1 <${recipient}>: user unknown`,
            },
          ],
        },
      };
    case 'complained':
      return {
        notificationType: 'Complaint',
        ...about,
        complaint: {
          timestamp,
          feedbackId,
          complaintFeedbackType: 'abuse',
          complainedRecipients: [{ emailAddress: recipient }],
        },
      };
  }
}

import { createHash } from 'node:crypto';
import MailComposer from 'nodemailer/lib/mail-composer';

const PDF = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 7) % 256));
const PNG = Buffer.from('89504e470d0a1a0a', 'hex');
export const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** A mail with all that gets lost on the way: umlauts, Japanese, text beside HTML, an image in it, an attachment. */
export async function wholeMail(messageId = 'question@x.test'): Promise<Buffer> {
  return new MailComposer({
    from: { name: 'Ada Łovelace, Dr.', address: 'ada@x.test' },
    to: [{ name: 'Support', address: 'support+42@example.test' }],
    cc: [{ name: '', address: 'bob@x.test' }],
    subject: 'Größe 42: 見積もり',
    messageId: `<${messageId}>`,
    inReplyTo: '<ours.1@example.test>',
    references: ['<first@x.test>', '<ours.1@example.test>'],
    date: new Date('2026-11-20T10:00:00Z'),
    text: 'Grüße aus 東京.\nZweite Zeile.\n',
    html: '<p>Grüße aus <b>東京</b>. <img src="cid:logo@x"></p>',
    attachments: [
      { filename: 'Rechnung Ä 10€.pdf', contentType: 'application/pdf', content: PDF },
      { filename: 'logo.png', contentType: 'image/png', content: PNG, cid: 'logo@x' },
    ],
    headers: { 'X-Priority': '1', 'Return-Path': '<ada@x.test>' },
  })
    .compile()
    .build();
}

export const whole = { attachments: [sha256(PDF), sha256(PNG)] };

/** A mail with an attachment of so many bytes. */
export async function largeMail(bytes: number): Promise<Buffer> {
  return new MailComposer({
    from: 'ada@x.test',
    to: 'support+42@example.test',
    subject: 'Large',
    messageId: '<large@x.test>',
    text: 'See the attachment.',
    attachments: [{ filename: 'large.bin', content: Buffer.alloc(bytes, 'postroom') }],
  })
    .compile()
    .build();
}

/** A delivery report (RFC 3464) for a mail of ours. */
export const bounceMail = Buffer.from(
  [
    'Return-Path: <>',
    'From: Mail Delivery Subsystem <mailer-daemon@mx.x.test>',
    'To: support@example.test',
    'Subject: Undelivered Mail Returned to Sender',
    'Date: Fri, 20 Nov 2026 10:00:00 +0000',
    'Message-ID: <bounce.1@mx.x.test>',
    'Auto-Submitted: auto-replied',
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
    '',
    '--b',
    'Content-Type: text/plain; charset=us-ascii',
    '',
    'The mail could not be delivered.',
    '--b',
    'Content-Type: message/delivery-status',
    '',
    'Reporting-MTA: dns; mx.x.test',
    '',
    'Final-Recipient: rfc822; gone@x.test',
    'Action: failed',
    'Status: 5.1.1',
    'Diagnostic-Code: smtp; 550 5.1.1 user unknown',
    '',
    '--b',
    'Content-Type: text/rfc822-headers',
    '',
    'Message-ID: <own.1@example.test>',
    'Subject: Re: question',
    '',
    '--b--',
    '',
  ].join('\r\n'),
);

const odd = (headers: readonly string[], text: string) =>
  Buffer.from(
    [
      ...headers,
      'To: support@example.test',
      'Date: Fri, 20 Nov 2026 10:00:00 +0000',
      'MIME-Version: 1.0',
      'Content-Type: text/plain; charset=utf-8',
      'Content-Transfer-Encoding: 8bit',
      '',
      text,
      '',
    ].join('\r\n'),
  );

/** An agent's forward, a tracker's notice, a mail by way of a list. */
export const oddMails = [
  odd(
    [
      'From: Agent <agent@example.test>',
      'Subject: Fwd: Hilfe',
      'Message-ID: <forward@example.test>',
      'Authentication-Results: mx.example.test; dkim=pass header.d=example.test; dmarc=pass; spf=pass',
    ],
    '---------- Forwarded message ---------\r\nFrom: Ada <ada@x.test>\r\nSubject: Hilfe\r\n\r\nGrüße',
  ),
  odd(
    [
      'From: "Ada (Jira)" <jira@x.test>',
      'Subject: [JIRA] (HELP-1) Größe',
      'Message-ID: <JIRA.1.1760000000000.2@Atlassian.JIRA>',
      'In-Reply-To: <JIRA.1.1760000000000@Atlassian.JIRA>',
      'References: <JIRA.1.1760000000000@Atlassian.JIRA> <JIRA.1.1760000000001@a>',
      '\t<own.1@example.test>',
      'Precedence: bulk',
      'Auto-Submitted: auto-generated',
    ],
    'Ada commented.',
  ),
  odd(
    [
      "From: 'Ada Lovelace' via Support <list@lists.test>",
      'Reply-To: Ada Lovelace <ada@x.test>',
      'X-Original-Sender: ada@x.test',
      'Sender: list@lists.test',
      'List-Id: <support.lists.test>',
      'Subject: Question',
      'Message-ID: <list.1@x.test>',
      'Authentication-Results: mx.example.test; dkim=fail; dmarc=fail; spf=pass',
    ],
    'Hello',
  ),
];

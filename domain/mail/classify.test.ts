import { describe, expect, it } from '@jest/globals';
import { parseMail, type ParsedMail } from './parse.ts';

function parse(
  headers: string[],
  body = 'words',
  envelopeFrom: string | null = null,
): Promise<ParsedMail> {
  const all = ['To: support@help.example', ...headers];
  if (!headers.some((line) => /^from:/i.test(line))) all.unshift('From: ada@example.com');
  const envelope = envelopeFrom === null ? undefined : { from: envelopeFrom, to: [] };
  return parseMail(Buffer.from(`${all.join('\r\n')}\r\n\r\n${body}`), {
    receivedAt: new Date(0),
    ...(envelope ? { envelope } : {}),
  });
}

describe('kind of a mail', () => {
  it.each([
    ['message', [], false],
    ['message', ['Auto-Submitted: no'], false],
    [
      'message',
      ['List-Id: <desk.example.com>', 'List-Unsubscribe: <mailto:x@y>', 'Precedence: list'],
      false,
    ],
    ['message', ['X-Auto-Response-Suppress: OOF'], false],
    ['auto_reply', ['Auto-Submitted: auto-replied (vacation)'], true],
    ['auto_reply', ['X-Autoreply: yes'], true],
    ['auto_reply', ['X-Autorespond: away'], true],
    ['auto_reply', ['Precedence: auto_reply'], true],
    ['auto_reply', ['Subject: Automatic reply: Printer'], true],
    ['auto_reply', ['Subject: =?utf-8?Q?R=C3=A9ponse_automatique_:_Imprimante?='], true],
    ['auto_reply', ['Subject: Abwesenheitsnotiz: Drucker'], true],
    ['notification', ['Auto-Submitted: auto-generated'], true],
    ['notification', ['Precedence: bulk', 'List-Unsubscribe: <mailto:x@y>'], true],
    ['notification', ['From: no-reply@shop.example', 'Precedence: bulk'], true],
    ['message', ['Precedence: bulk'], true],
    ['message', ['Return-Path: <>'], true],
    ['message', ['From: MAILER-DAEMON@example.com', 'Subject: hello'], true],
    [
      'bounce',
      [
        'From: Mail Delivery System <MAILER-DAEMON@example.com>',
        'Subject: Undelivered Mail Returned to Sender',
      ],
      true,
    ],
    [
      'bounce',
      ['From: postmaster@example.com', 'Return-Path: <>', 'Subject: Unzustellbar: Drucker'],
      true,
    ],
    ['message', ['Subject: your delivery failed to arrive'], false],
    [
      'delivery_report',
      ['Content-Type: multipart/report; report-type=disposition-notification; boundary=b'],
      true,
    ],
    [
      'feedback_report',
      ['Content-Type: multipart/report; report-type=feedback-report; boundary=b'],
      true,
    ],
  ] as const)('is %s with %j', async (kind, headers, automatic) => {
    const mail = await parse([...headers]);
    expect(mail.message.kind).toBe(kind);
    expect(mail.automatic.automatic).toBe(automatic);
    expect(mail.automatic.reason !== null).toBe(automatic);
  });

  it('goes by the null sender of the envelope', async () => {
    expect((await parse([], 'x', '')).automatic.reason).toBe('the null sender');
    expect((await parse(['Return-Path: <>'], 'x', 'ada@example.com')).automatic.automatic).toBe(
      false,
    );
  });

  it('is calendar with an invitation, kept as a file', async () => {
    const mail = await parse(
      ['Content-Type: multipart/alternative; boundary=b'],
      '--b\r\nContent-Type: text/plain\r\n\r\nLunch?\r\n--b\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\n--b--',
    );
    expect(mail.message).toMatchObject({
      kind: 'calendar',
      content: 'Lunch?',
      attachments: [{ filename: 'attachment-1.ics' }],
    });
  });
});

describe('priority', () => {
  it.each([
    ['X-Priority: 1 (Highest)', 'high'],
    ['X-Priority: 5', 'low'],
    ['X-Priority: 3', 'normal'],
    ['Importance: High', 'high'],
    ['Importance: low', 'low'],
    ['Priority: urgent', 'high'],
    ['Priority: non-urgent', 'low'],
    ['X-Priority: banana', 'normal'],
  ])('of %j', async (header, priority) => {
    expect((await parse([header])).message.priority).toBe(priority);
  });
});

describe('a mail of our own that comes back', () => {
  it('is known by its header', async () => {
    const mail = await parse([
      'X-Postroom-Origin: here',
      'Received: a',
      'Received: b',
      'Delivered-To: x@y',
    ]);
    expect(mail.loopHeaders).toEqual({ origins: ['here'], receivedCount: 2, deliveredTo: ['x@y'] });
  });
});

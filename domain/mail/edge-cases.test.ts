import { describe, expect, test } from '@jest/globals';
import iconv from 'iconv-lite';
import { replyAddresses } from './addresses.ts';
import { composeReply } from './compose.ts';
import { parseMail, type MailContext, type ParsedMail } from './parse.ts';
import { baseSubject, subjectKey } from './subject.ts';

// Each test cites the number of docs/mail-edge-cases.md; those that need the database are in
// tests/integration/mail-edge-cases.test.ts.

const receivedAt = new Date('2026-03-01T12:00:00Z');
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

function parse(mail: string | Buffer, context: Partial<MailContext> = {}): Promise<ParsedMail> {
  const source = typeof mail === 'string' ? Buffer.from(mail) : mail;
  return parseMail(source, { receivedAt, keepContent: true, ...context });
}

const head = 'From: Ada <ada@example.com>\r\nTo: support@help.example\r\nSubject: Hello\r\n';
const mixed = (...parts: string[]): string =>
  `${head}Content-Type: multipart/mixed; boundary=b\r\n\r\n${parts.map((part) => `--b\r\n${part}\r\n`).join('')}--b--\r\n`;

describe('identity', () => {
  test('edge 1: without a Message-ID the content is what a copy is known by', async () => {
    const one = await parse(
      `Received: by a\r\n${head}Date: Sun, 1 Mar 2026 10:00:00 +0000\r\n\r\nx`,
    );
    const copy = await parse(
      `Received: by b\r\n${head}Date: Sun, 1 Mar 2026 10:00:00 +0000\r\n\r\nx`,
    );
    const other = await parse(`${head}Date: Sun, 1 Mar 2026 10:00:01 +0000\r\n\r\nx`);
    expect(one.message.message_id).toBeNull();
    expect(copy.contentHash).toBe(one.contentHash);
    expect(other.contentHash).not.toBe(one.contentHash);
  });

  test.each([
    '<Abc@Example.COM>',
    '  <Abc@Example.COM>  ',
    'Abc@Example.COM',
    '\r\n <Abc@Example.COM>',
    '<Abc\r\n @Example.COM>',
    '<Abc@example.com> (added by mx)',
  ])('edge 2: the Message-ID %j is read the same', async (id) => {
    const { threading } = await parse(`${head}Message-ID: ${id}\r\n\r\nx`);
    expect(threading.messageId).toBe('Abc@example.com');
  });
});

describe('threading', () => {
  test.each([
    'Re: Kettle',
    'RE[5]: Kettle',
    'AW: WG: Kettle',
    '[External] Re: Kettle',
    'Fwd: Fwd: Kettle',
    'Antw: Kettle',
    'Odp: Kettle',
    'SV: VS: Kettle',
    'Ответ: Kettle',
    '回复：Kettle',
    '答复: 转发: Kettle',
    'RES: ENC: Kettle',
    'R: I: Kettle',
    'TR : Kettle',
    '[EXTERN] AW: Re: Kettle',
  ])('edge 11: %j is about the kettle', (subject) => {
    expect(baseSubject(subject)).toBe('Kettle');
    expect(subjectKey(`${subject} [#17]`)).toBe('kettle');
  });
});

describe('automatic mail', () => {
  test.each([
    ['Auto-Submitted: auto-generated', true],
    ['Auto-Submitted: auto-replied; owner-email="x"', true],
    ['Auto-Submitted: no', false],
    ['Precedence: bulk', true],
    ['Precedence: auto_reply', true],
    ['X-Auto-Response-Suppress: All', true],
    ['X-Auto-Response-Suppress: OOF', false],
    ['X-Autoreply: yes', true],
    ['X-Autorespond: x', true],
    ['Return-Path: <>', true],
    ['From: MAILER-DAEMON@mx.example', true],
    ['List-Id: <team.example.com>', false],
    ['List-Unsubscribe: <mailto:x@example.com>', false],
    ['X-Mailer: anything', false],
  ])('edge 17: %s → automatic %s', async (header, automatic) => {
    expect((await parse(`${header}\r\n${head}\r\nx`)).automatic.automatic).toBe(automatic);
  });

  test('edge 17: the null sender of the envelope counts too', async () => {
    const { automatic } = await parse(`${head}\r\nx`, { envelope: { from: '', to: [] } });
    expect(automatic.automatic).toBe(true);
  });

  test.each([
    [
      'Exchange',
      'Subject: Automatische Antwort: Kessel\r\nX-Auto-Response-Suppress: All\r\nAuto-Submitted: auto-generated\r\n',
    ],
    ['Exchange rules', 'Subject: x\r\nX-MS-Exchange-Inbox-Rules-Loop: a@b.example\r\n'],
    [
      'Zimbra',
      'Subject: Re: Kettle\r\nAuto-Submitted: auto-replied (zimbra; vacation)\r\nPrecedence: bulk\r\n',
    ],
    [
      'Gmail',
      'Subject: Out of office Re: Kettle\r\nPrecedence: bulk\r\nX-Autoreply: yes\r\nAuto-Submitted: auto-replied\r\n',
    ],
    ['no header at all', 'Subject: Out of Office: Kettle\r\n'],
    ['no header, French', 'Subject: =?utf-8?Q?R=C3=A9ponse_automatique_=3A_Bouilloire?=\r\n'],
    ['no header, Japanese', 'Subject: =?utf-8?B?6Ieq5YuV5b+c562U?=: x\r\n'],
  ])('edge 18: an absence of %s is an automatic reply', async (_name, headers) => {
    const mail = `From: ada@example.com\r\n${headers}\r\nI am away.`;
    expect((await parse(mail)).message.kind).toBe('auto_reply');
  });

  test('edge 19: a mail of ours is known by our own header', async () => {
    const { loopHeaders } = await parse(`X-Postroom-Origin: postroom\r\n${head}\r\nx`);
    expect(loopHeaders.origins).toEqual(['postroom']);
  });

  test('edge 21: what we send by ourselves says so', () => {
    const draft = {
      ticket: { number: 17, subject: 'x' },
      channelAddress: { name: 'Support', address: 'support@help.example' },
      to: [{ name: '', address: 'ada@example.com' }],
      messageId: 'a@help.example',
      inReplyTo: null,
      references: [],
      text: 'x',
      origin: 'postroom',
      date: receivedAt,
    };
    expect(composeReply({ ...draft, automatic: true }).headers).toEqual({
      'x-postroom-origin': 'postroom',
      'Auto-Submitted': 'auto-replied',
      'X-Auto-Response-Suppress': 'All',
    });
    expect(composeReply(draft).headers).toEqual({ 'x-postroom-origin': 'postroom' });
  });
});

describe('charsets', () => {
  const japanese = '日本語①髙';
  const cases: [string, string, Buffer, string][] = [
    ['iso-2022-jp', 'iso-2022-jp', bytes('\x1b$BF|K\\8l\x1b(B'), '日本語'],
    ['its vendor form with ①', 'iso-2022-jp-ms', bytes('\x1b$B-!\x1b(B'), '①'],
    ['shift_jis with vendor characters', 'shift_jis', iconv.encode(japanese, 'cp932'), japanese],
    ['gb2312 that is gb18030', 'gb2312', iconv.encode('朱镕基', 'gb18030'), '朱镕基'],
    ['ks_c_5601 that is cp949', 'ks_c_5601-1987', iconv.encode('똠방각하', 'cp949'), '똠방각하'],
    [
      'latin1 that is windows-1252',
      'iso-8859-1',
      iconv.encode('“100 €”', 'windows-1252'),
      '“100 €”',
    ],
    ['latin1 that is UTF-8', 'iso-8859-1', Buffer.from('Grüße'), 'Grüße'],
    ['UTF-8 that is windows-1252', 'utf-8', iconv.encode('Grüße', 'windows-1252'), 'Grüße'],
    ['no charset, UTF-8', '', Buffer.from('Grüße 日本'), 'Grüße 日本'],
    ['no charset, windows-1252', '', iconv.encode('Grüße', 'windows-1252'), 'Grüße'],
    ['an unknown charset', 'x-unknown', Buffer.from('Grüße'), 'Grüße'],
    ['koi8-r', 'koi8-r', iconv.encode('Привет', 'koi8-r'), 'Привет'],
    ['big5', 'big5', iconv.encode('中文', 'big5'), '中文'],
  ];

  test.each(cases)('edge 24: %s', async (_name, charset, body, text) => {
    const type = charset === '' ? 'text/plain' : `text/plain; charset=${charset}`;
    const { message } = await parse(
      Buffer.concat([bytes(`${head}Content-Type: ${type}\r\n\r\n`), body]),
    );
    expect(message.content).toBe(text);
  });

  test('edge 24: headers of eight bits without encoding', async () => {
    const utf8 = await parse(
      Buffer.from('From: Jörg <j@example.com>\r\nSubject: Grüße 日本\r\n\r\nx'),
    );
    expect(utf8.message).toMatchObject({ subject: 'Grüße 日本', sender: { name: 'Jörg' } });
    const latin = await parse(
      bytes('From: J\xf6rg <j@example.com>\r\nSubject: Gr\xfc\xdfe\r\n\r\nx'),
    );
    expect(latin.message).toMatchObject({ subject: 'Grüße', sender: { name: 'Jörg' } });
  });

  test.each([
    ['split inside a character', '=?utf-8?B?5pel5pys6K?= =?utf-8?B?qe?=', '日本語'],
    ['split in quoted-printable', '=?utf-8?Q?Gr=C3?= =?utf-8?Q?=BC=C3=9Fe?=', 'Grüße'],
    ['in a quoted string', '"=?utf-8?Q?Gr=C3=BC=C3=9Fe?="', '"Grüße"'],
    ['with a language', '=?utf-8*de?Q?Gr=C3=BC=C3=9Fe?=', 'Grüße'],
    ['in lower case', '=?UTF-8?q?Gr=c3=bc=c3=9fe?=', 'Grüße'],
  ])('edge 25: an encoded word %s', async (_name, subject, text) => {
    const { message } = await parse(`From: a@b.example\r\nSubject: ${subject}\r\n\r\nx`);
    expect(message.subject).toBe(text);
  });

  test.each([
    ["filename*0*=utf-8''Gr%C3%BC; filename*1*=%C3%9Fe; filename*2=.pdf", 'Grüße.pdf'],
    ["filename*=iso-8859-1'de'Gr%FC%DFe.pdf", 'Grüße.pdf'],
    ['filename="=?utf-8?Q?Gr=C3=BC=C3=9Fe.pdf?="', 'Grüße.pdf'],
    ['filename*0="a-very-"; filename*1="long-name.pdf"', 'a-very-long-name.pdf'],
  ])('edge 25: the name in %s', async (disposition, name) => {
    const { attachments } = await parse(
      mixed(
        `Content-Type: application/pdf\r\nContent-Disposition: attachment; ${disposition}\r\n\r\nx`,
      ),
    );
    expect(attachments[0]!.filename).toBe(name);
  });
});

describe('broken mail', () => {
  const nested = (depth: number): string =>
    Array.from(
      { length: depth },
      (_, at) => `Content-Type: multipart/mixed; boundary=n${at}\r\n\r\n--n${at}\r\n`,
    ).join('');

  test.each([
    ['an unknown transfer encoding', `${head}Content-Transfer-Encoding: x-own\r\n\r\nwords`],
    ['a header that is none', `${head}This is no header\r\nX-A: b\r\n\r\nwords`],
    ['a missing boundary', `${head}Content-Type: multipart/mixed\r\n\r\nwords`],
    ['a cut end', mixed('Content-Type: text/plain\r\n\r\nwords').slice(0, -9)],
    ['nesting 100 deep', `${head}${nested(100)}\r\nwords`],
    ['a multipart that is never closed', `${head}${nested(2)}\r\nwords\r\n--n0\r\n\r\nmore`],
  ])('edge 26: %s makes a message', async (_name, mail) => {
    const { message } = await parse(mail);
    expect(message.subject).toBe('Hello');
    expect(message.content).toMatch(/^words/);
  });

  test.each([
    ['LF', '\n'],
    ['CR', '\r'],
    ['CRLF', '\r\n'],
  ])('edge 27: line ends of %s', async (_name, end) => {
    const mail = mixed(
      'Content-Type: text/plain\r\n\r\none\r\ntwo',
      'Content-Type: image/png; name=a.png\r\n\r\nx',
    );
    const { message } = await parse(mail.replaceAll('\r\n', end));
    expect(message).toMatchObject({ subject: 'Hello', content: 'one\ntwo' });
    expect(message.attachments).toMatchObject([{ filename: 'a.png' }]);
  });

  test('edge 33: an empty body is a message', async () => {
    expect((await parse(head)).message).toMatchObject({
      subject: 'Hello',
      content: '',
      html: null,
    });
  });

  test.each([
    ['25 MB of text', `${head}\r\n${'all work and no play\r\n'.repeat(1_200_000)}`],
    ['a line of 10 MB', `${head}\r\n${'x'.repeat(10_000_000)}`],
    [
      '5,000 links',
      `${head}Content-Type: text/html\r\n\r\n${'<a href="https://x.test/a">x</a> '.repeat(5000)}`,
    ],
    [
      'a bomb of parts',
      mixed(...Array.from({ length: 20_000 }, () => 'Content-Type: image/png\r\n\r\nx')),
    ],
  ])('edge 33: %s takes bounded time', async (name, mail) => {
    const start = process.cpuUsage();
    const { message, notes } = await parse(mail);
    expect(process.cpuUsage(start).user / 1000).toBeLessThan(20_000);
    expect(message.content.length).toBeLessThanOrEqual(1024 * 1024);
    if (name !== '5,000 links') expect(notes.join()).toMatch(/cut|more than 1,000 parts/);
  });
});

test('edge 33: of more than 1,000 parts the text and the first are kept, and a note says so', async () => {
  const image = 'Content-Type: image/png; name=a.png\r\n\r\nx';
  const { message, attachments, notes } = await parse(
    mixed('Content-Type: text/plain\r\n\r\nhello', ...Array.from({ length: 5000 }, () => image)),
  );
  expect(message.content).toBe('hello');
  expect(attachments).toHaveLength(998);
  expect(attachments[997]).toMatchObject({ filename: 'a (998).png' });
  expect(attachments[997]!.size).toBeGreaterThan(4000 * 40);
  expect(notes).toEqual(['Of more than 1,000 parts the last one read holds the rest.']);
});

describe('attachments', () => {
  const part = (headers: string): string => `Content-Type: ${headers}\r\n\r\nx`;

  test.each([
    [
      'Content-Location',
      'image/png\r\nContent-Location: https://x.test/img/logo.png?v=1',
      'logo.png',
    ],
    ['Content-ID', 'image/png\r\nContent-ID: <logo@x>', 'logo.png'],
    ['its type', 'application/pdf', 'attachment-1.pdf'],
    ['a path', 'application/pdf; name="../../etc/passwd.pdf"', 'passwd.pdf'],
    ['a path of Windows', String.raw`application/pdf; name="C:\\temp\\a.pdf"`, 'a.pdf'],
    ['a direction change', 'application/pdf; name="=?utf-8?Q?a=E2=80=AEfdp.exe?="', 'afdp.exe'],
    ['control characters', 'application/pdf; name="a\x07b\x1b.pdf"', 'ab.pdf'],
  ])('edge 28: a name from %s', async (_name, headers, name) => {
    expect((await parse(mixed(part(headers)))).attachments[0]!.filename).toBe(name);
  });

  test('edge 28: names are unique, and 200 characters at most', async () => {
    const named = part('application/pdf; name=a.pdf');
    const long = part(`application/pdf; name="${'n'.repeat(1000)}.pdf"`);
    const { attachments } = await parse(mixed(named, named, long));
    expect(attachments.map((one) => one.filename).slice(0, 2)).toEqual(['a.pdf', 'a (2).pdf']);
    expect(attachments[2]!.filename).toMatch(/^n{196}\.pdf$/);
  });

  test('edge 28: a nested mail is named by its subject', async () => {
    const { attachments } = await parse(
      mixed('Content-Type: message/rfc822\r\n\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe/x?=\r\n\r\nx'),
    );
    expect(attachments[0]!.filename).toBe('Grüße-x.eml');
  });

  test('edge 29: images that the HTML shows are inline, others are not', async () => {
    const image = (id: string): string => part(`image/png\r\nContent-ID: <${id}>`);
    const { message } = await parse(
      mixed(
        'Content-Type: text/html\r\n\r\n<img src="cid:shown@x">',
        image('shown@x'),
        image('loose@x'),
      ),
    );
    expect(message.attachments.map((one) => [one.content_id, one.inline])).toEqual([
      ['shown@x', true],
      ['loose@x', false],
    ]);
    expect(message.html).toContain('src="cid:shown@x"');
  });

  test('edge 30: a calendar keeps its file and says what it is about', async () => {
    const ics =
      'BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT\r\nUID:1@x\r\nSUMMARY:Kettle\\, revi\r\n ew\r\nLOCATION:Room 1\r\nDTSTART;TZID=Europe/Berlin:20260301T100000\r\nDTEND;TZID=Europe/Berlin:20260301T110000\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n';
    const { message } = await parse(
      mixed(
        '\r\nInvitation',
        `Content-Type: text/calendar; method=REQUEST; name=invite.ics\r\n\r\n${ics}`,
      ),
    );
    expect(message.kind).toBe('calendar');
    expect(message.attachments).toMatchObject([{ filename: 'invite.ics' }]);
    expect(message.metadata.platform_specific['calendar']).toEqual({
      method: 'REQUEST',
      uid: '1@x',
      summary: 'Kettle, review',
      location: 'Room 1',
      starts: '20260301T100000',
      ends: '20260301T110000',
    });
  });

  test.each([
    ['application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m', 'smime_encrypted'],
    ['application/pkcs7-mime; smime-type=signed-data; name=smime.p7m', 'smime_signed'],
    ['application/pkcs7-signature; name=smime.p7s', 'smime_signed'],
    ['application/pgp-signature; name=signature.asc', 'pgp_signed'],
    ['application/pgp-encrypted', 'pgp_encrypted'],
  ])('edge 30: %s is kept and labelled', async (type, label) => {
    const { message } = await parse(mixed('\r\nx', part(type)));
    expect(message.attachments).toHaveLength(1);
    expect(message.metadata.platform_specific['security']).toEqual([label]);
  });
});

describe('addresses', () => {
  const own = ['support@help.example'];

  test.each([
    ['', 'ada@example.com'],
    ['not an address', 'ada@example.com'],
    ['Support <SUPPORT@help.example>', 'ada@example.com'],
    ['<>', 'ada@example.com'],
    ['desk@example.org', 'desk@example.org'],
  ])('edge 32: Reply-To %j answers to %s', async (replyTo, address) => {
    const { message } = await parse(`${head}Reply-To: ${replyTo}\r\n\r\nx`);
    expect(replyAddresses(message, own).map((one) => one.address)).toEqual([address]);
  });

  test.each([
    ['one with control characters', 'A\x07da <a\x1bda@exam\x00ple.com>', 'ada@example.com', 'Ada'],
    ['a group', 'Team: ada@example.com, bob@example.com;', 'ada@example.com', ''],
    ['several', 'Ada <ada@example.com>, Bob <bob@example.com>', 'ada@example.com', 'Ada'],
    ['one without a domain first', 'ada, Bob <bob@example.com>', 'bob@example.com', 'ada, Bob'],
    ['none with a domain', 'ada', 'ada', ''],
    ['an internationalised domain', 'J <j@xn--mller-kva.example>', 'j@müller.example', 'J'],
    ['an internationalised address', 'Jörg <jörg@müller.example>', 'jörg@müller.example', 'Jörg'],
    [
      'a name that poses as an address',
      '"support@help.example" <eve@evil.test>',
      'eve@evil.test',
      'support@help.example',
    ],
  ])('edge 32: From is %s', async (_name, from, address, name) => {
    const { message } = await parse(`From: ${from}\r\n\r\nx`);
    expect(message.sender).toEqual({ address, name });
  });
});

import { describe, expect, it } from '@jest/globals';
import { parseMail } from '../domain/mail/parse.ts';
import { rebuildMail, type MailInPieces } from './rebuilt-mail.ts';

const text = (content: string, charset = 'utf-8') => ({ content: Buffer.from(content), charset });
const file = (filename: string | null, more: object = {}) => ({
  filename,
  contentType: 'application/pdf',
  contentId: null,
  content: Buffer.from([0, 1, 2, 255]),
  ...more,
});
const pieces = (more: Partial<MailInPieces> = {}): MailInPieces => ({
  headers: [['Subject', 'Größe']],
  text: text('Hello'),
  html: null,
  attachments: [],
  ...more,
});
const parse = (mail: MailInPieces) =>
  parseMail(rebuildMail(mail), { receivedAt: new Date(), keepContent: true });
const typesOf = (mail: MailInPieces) =>
  [
    ...rebuildMail(mail)
      .toString()
      .matchAll(/^Content-Type: ([\w/.-]+)/gm),
  ].map(([, type]) => type);

describe('a mail put together from its pieces', () => {
  it('is the same bytes for the same pieces', () => {
    const mail = pieces({ html: text('<p>x</p>'), attachments: [file('a.pdf')] });
    expect(rebuildMail(mail).equals(rebuildMail(structuredPieces(mail)))).toBe(true);
  });

  it('has the structure that a mail program would give it', () => {
    const html = text('<img src="cid:i">');
    const image = file('i.png', { contentId: 'i', contentType: 'image/png' });
    expect(typesOf(pieces())).toEqual(['text/plain']);
    expect(typesOf(pieces({ text: null, html }))).toEqual(['text/html']);
    expect(typesOf(pieces({ html, attachments: [image, file('a.pdf')] }))).toEqual([
      'multipart/mixed',
      'multipart/related',
      'multipart/alternative',
      'text/plain',
      'text/html',
      'image/png',
      'application/pdf',
    ]);
    // Nothing shows it in place.
    expect(typesOf(pieces({ attachments: [image] }))).toEqual([
      'multipart/mixed',
      'text/plain',
      'image/png',
    ]);
  });

  it('keeps raw header lines byte by byte, folds too, but for those of the old structure', () => {
    const headers = Buffer.from(
      'Subject: Gr\u00fc\u00dfe\r\nReferences: <a@x>\r\n\t<b@x>\nMIME-Version: 1.0\nContent-Type: multipart/mixed;\n boundary="b"\nX-Kept: y\nno header\n',
      'latin1',
    );
    const source = rebuildMail(pieces({ headers })).toString('latin1');
    expect(source.split('\r\nMIME-Version')[0]).toBe(
      'Subject: Gr\u00fc\u00dfe\r\nReferences: <a@x>\r\n\t<b@x>\r\nX-Kept: y',
    );
    expect(source).not.toContain('boundary="b"');
  });

  it('makes no header of a value that holds a line end, nor of a name that is none', async () => {
    const headers = [
      ['Subject', 'x\r\nBcc: eve@x.test\r\n\r\nbody'],
      ['Bad name\r\nX-Evil', 'y'],
      ['', 'z'],
    ] as const;
    const source = rebuildMail(pieces({ headers })).toString();
    expect(source).toMatch(/^Subject: x Bcc: eve@x.test body\r\nMIME-Version: 1.0\r\n/);
    expect(source).not.toContain('X-Evil');
  });

  it.each([
    ['見積もり.pdf', "UTF-8''%E8%A6%8B%E7%A9%8D%E3%82%82%E3%82%8A.pdf"],
    [`a"b' (1)*.pdf`, "UTF-8''a%22b%27%20%281%29%2A.pdf"],
    ['x\ud800\r\nX-Evil: y', "UTF-8''x%EF%BF%BD%0D%0AX-Evil%3A%20y"],
  ])('names an attachment %j as RFC 2231 has it', async (filename, written) => {
    const mail = pieces({ attachments: [file(filename)] });
    expect(rebuildMail(mail).toString()).toContain(`attachment; filename*=${written}\r\n`);
    const { attachments } = await parse(mail);
    expect(attachments).toMatchObject([
      { contentType: 'application/pdf', content: Buffer.from([0, 1, 2, 255]) },
    ]);
  });

  it('reads each body in its own charset', async () => {
    const { message } = await parse(
      pieces({
        text: { content: Buffer.from('Gr\u00fc\u00dfe', 'latin1'), charset: 'iso-8859-1' },
        html: text('<p>東京</p>'),
      }),
    );
    expect(message).toMatchObject({ subject: 'Größe', content: 'Grüße' });
    expect(message.html).toContain('東京');
  });

  it('stays a delivery report where it was one', () => {
    const headers = [
      ['Content-Type', 'multipart/report; boundary="b"; report-type="delivery-status"'],
    ] as const;
    const report = file(null, { contentType: 'message/delivery-status' });
    expect(rebuildMail(pieces({ headers, attachments: [report] })).toString()).toContain(
      'Content-Type: multipart/report; report-type=delivery-status; boundary=',
    );
  });

  it('is quick with a large attachment, in lines that mail servers take', () => {
    const content = Buffer.alloc(20_000_000, 7);
    const began = performance.now();
    const source = rebuildMail(pieces({ attachments: [file('a.bin', { content })] }));
    expect(performance.now() - began).toBeLessThan(40_000);
    const longest = Math.max(
      ...source
        .subarray(0, 100_000)
        .toString()
        .split('\r\n')
        .map((line) => line.length),
    );
    expect(longest).toBeLessThanOrEqual(100);
  });
});

/** The same pieces, of other objects. */
function structuredPieces(mail: MailInPieces): MailInPieces {
  return {
    ...mail,
    text: mail.text && { ...mail.text, content: Buffer.from(mail.text.content) },
    attachments: mail.attachments.map((one) => ({ ...one, content: Buffer.from(one.content) })),
  };
}

import { describe, expect, test } from '@jest/globals';
import {
  tnefAttribute,
  tnefProperties,
  tnefProperty,
  tnefStream,
  winmail,
} from './fixtures/tnef.ts';
import { parseMail, type ParsedMail } from './parse.ts';
import { readTnef } from './tnef.ts';

const offer = { title: 'OFFER~1.PDF', longName: 'Angebot März.pdf', content: Buffer.from('%PDF') };
const notes = { title: 'Notizen ä.txt', mimeType: 'text/plain', content: Buffer.from('Notizen') };

function mailWith(packed: Buffer, text = 'See attached.'): Promise<ParsedMail> {
  const source = [
    'From: Ada <ada@example.com>',
    'Subject: Offer',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: text/plain',
    '',
    text,
    '--b',
    'Content-Type: application/ms-tnef; name=winmail.dat',
    'Content-Transfer-Encoding: base64',
    '',
    packed.toString('base64').replace(/.{76}/g, '$&\r\n'),
    '--b--',
    '',
  ].join('\r\n');
  return parseMail(Buffer.from(source), { receivedAt: new Date(0), keepContent: true });
}

describe('winmail.dat', () => {
  test('edge 30: gives its files in its place, by their long names', async () => {
    const { attachments, message, notes: said } = await mailWith(winmail([offer, notes]));
    expect(attachments.map((one) => [one.filename, one.contentType, String(one.content)])).toEqual([
      ['Angebot März.pdf', 'application/pdf', '%PDF'],
      ['Notizen ä.txt', 'text/plain', 'Notizen'],
    ]);
    expect(attachments.map((one) => one.size)).toEqual([4, 7]);
    expect(message.content).toBe('See attached.');
    expect(said).toEqual([]);
  });

  test('edge 30: many of them give some thousand files at most, the others are kept whole', async () => {
    const many = Array.from({ length: 600 }, (_, at) => ({ ...notes, title: `${at}.txt` }));
    const part = `--b\r\nContent-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\n${winmail(many).toString('base64')}\r\n`;
    const mail = `Content-Type: multipart/mixed; boundary=b\r\n\r\n${part.repeat(4)}--b--`;
    const { attachments } = await parseMail(Buffer.from(mail), { receivedAt: new Date(0) });
    const isPacked = ({ contentType }: { contentType: string }): boolean =>
      contentType === 'application/ms-tnef';
    expect(attachments.filter(isPacked)).toHaveLength(2);
    expect(attachments).toHaveLength(1202);
  });

  test('edge 30: gives the text that stands nowhere else', async () => {
    const html = winmail([], { html: '<p>Gr\xfc\xdfe <script>x()</script></p>' });
    const { message, attachments } = await mailWith(html, '');
    expect(message).toMatchObject({ content: 'Grüße', html: '<p>Grüße </p>' });
    expect(attachments).toEqual([]);
    const text = await mailWith(winmail([notes], { text: 'Hallo ☀' }), '');
    expect(text.message.content).toBe('Hallo ☀');
  });

  test('edge 30: gives the files of a mail nested in it', () => {
    const inner = winmail([offer], { text: 'Inner text' });
    const object = Buffer.concat([Buffer.alloc(16), inner]);
    const outer = tnefStream(
      tnefAttribute(2, 0x00069002, Buffer.alloc(14)),
      tnefAttribute(2, 0x00069005, tnefProperties(tnefProperty(0x0d, 0x3701, object))),
    );
    expect(readTnef(outer).files.map((file) => [file.filename, String(file.content)])).toEqual([
      ['message.txt', 'Inner text'],
      ['Angebot März.pdf', '%PDF'],
    ]);
  });

  test('edge 30: is kept whole with a note where it can’t be read', async () => {
    const { attachments, notes: said } = await mailWith(Buffer.from('no TNEF at all'));
    expect(attachments).toMatchObject([
      { filename: 'winmail.dat', contentType: 'application/ms-tnef', size: 14 },
    ]);
    expect(said.join()).toMatch(/winmail\.dat could not be unpacked and was kept as it is/);
  });

  test('cut or altered anywhere, it ends in bounded time', () => {
    const whole = winmail([offer, notes], { text: 'x', html: '<p>x' });
    const start = performance.now();
    for (let at = 6; at < whole.length; at++) {
      readTnef(whole.subarray(0, at));
      const altered = Buffer.from(whole);
      altered[at] = 0xff;
      readTnef(altered);
    }
    expect(performance.now() - start).toBeLessThan(30_000);
  });
});

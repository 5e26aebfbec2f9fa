import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bounceForms } from '../fixtures/bounces.ts';
import { clientReplies } from '../fixtures/client-replies.ts';
import { winmail } from '../fixtures/tnef.ts';
import { hostileHtml } from './hostile-html.ts';

const head = (type: string): string =>
  `From: Ada <ada@example.com>\r\nTo: support@shop.example\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= [#17]\r\nDate: Fri, 20 Nov 2026 10:00:00 +0000\r\nMessage-ID: <a@example.com>\r\nReferences: <b@example.com> <c@example.com>\r\nMIME-Version: 1.0\r\nContent-Type: ${type}\r\n`;

const packed = winmail([{ title: 'A.TXT', longName: 'a.txt', content: Buffer.from('packed') }], {
  html: '<p>x',
});

const multipart = `${head('multipart/mixed; boundary="b1"')}\r\n--b1\r\nContent-Type: multipart/alternative; boundary=b2\r\n\r\n--b2\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1b$B$3$s\x1b(B\r\n--b2\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p style=3D"color:red">x<img src=3D"cid:l@x"></p>\r\n--b2--\r\n--b1\r\nContent-Type: image/png; name*0*=utf-8''%E2%82; name*1*=%AC.png\r\nContent-ID: <l@x>\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--b1\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nSUMMARY:x\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n--b1\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner\r\n--b1\r\nContent-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\n${packed.toString('base64')}\r\n--b1--\r\n`;

/** What is altered: mails of our own making and, unless `own`, real ones of the corpora where they are at hand. */
export function seedMails(own = false): Buffer[] {
  const texts = [
    multipart,
    `${head('text/plain; charset=utf-8')}\r\nHello`,
    ...bounceForms.map((form) => form.source),
    ...clientReplies().map(({ text }) => `${head('text/plain; charset=utf-8')}\r\n${text}`),
    ...Object.values(hostileHtml).map((html) => `${head('text/html; charset=utf-8')}\r\n${html}`),
  ];
  return [...texts.map((text) => Buffer.from(text)), ...(own ? [] : realMails())];
}

function realMails(): Buffer[] {
  const folder = join(import.meta.dirname, '../../../../shared/corpora/mail');
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.eml'))
    .toSorted()
    .map((name) => readFileSync(join(folder, name)));
}

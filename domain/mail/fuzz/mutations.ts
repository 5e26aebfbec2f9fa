import { hostileHtml } from './hostile-html.ts';
import type { SeededRandom } from './random.ts';

/** Makes another mail of one; `other` is a second one to take pieces of. */
export type Mutation = (mail: Buffer, random: SeededRandom, other: Buffer) => Buffer;

const head = 'From: Ada <ada@example.com>\r\nTo: support@shop.example\r\nSubject: x\r\n';
const build = (...pieces: (string | Buffer)[]): Buffer =>
  Buffer.concat(pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece)));

/** Puts header lines on top, where they count. */
const withHeaders = (mail: Buffer, lines: string): Buffer => build(`${lines}\r\n`, mail);

const names = [
  '../../../../etc/passwd',
  String.raw`C:\Windows\System32\cmd.exe`,
  '..',
  '.',
  '',
  'a\u202Egnp.exe',
  'a\u0000b.txt',
  'a\r\nBcc: eve@evil.test',
  `${'n'.repeat(5000)}.pdf`,
  `${'ﷺ'.repeat(400)}.pdf`,
  'CON',
  '=?utf-8?B?Li4vLi4vYQ==?=',
  '\uD800.txt',
  'a/b\\c:d*e?f"g<h>i|j',
  ' . . ',
];

const words = [
  'On Mon x '.repeat(400),
  'a'.repeat(60_000),
  `${'<'.repeat(3000)}@${'>'.repeat(3000)}`,
  '('.repeat(20_000),
  '"'.repeat(9999),
  '=?utf-8?Q?'.repeat(3000),
  `=?utf-8?B?${'A'.repeat(50_000)}?=`,
  '=?x?Q?=00=0D=0ABcc:_eve@evil.test?=',
  `Re: ${'Re[5]: [External] '.repeat(3000)}`,
  'a@b,'.repeat(20_000),
  '<a@b>'.repeat(20_000),
  'Mon, 99 Foo 99999999 99:99:99 +9999',
  `${' '.repeat(50_000)}x`,
  '\t;='.repeat(10_000),
  'x\u0000y\u0007z\u001b[2J',
];

const fields =
  'From To Cc Reply-To Subject Date Message-ID References In-Reply-To Content-Type Content-Disposition Content-Transfer-Encoding Authentication-Results Return-Path Received Auto-Submitted Precedence List-Id X-Priority Delivered-To'.split(
    ' ',
  );

const lines = [
  'On Mon, Mar 3, 2025 at 10:00 AM Support <s@h.example> wrote:',
  '> quoted',
  '-----Original Message-----',
  'From: a',
  'Sent: b',
  'To: c',
  '-- ',
  '',
  'Am 3. März 2025 schrieb',
  '________________________________',
  '[#17]',
  'On '.repeat(300),
  '\u202Ex\u0000',
];

// What patterns of parsers begin, go on or end with: repeated, it shows those that take their time.
const tokens = [
  [
    'On ',
    ' wrote',
    ' wrote:',
    ' schrieb ',
    'abc. ',
    ' skrev ',
    ' on',
    'at',
    'Dnia ',
    'Op ',
    'schreef',
  ],
  ['From: ', 'To: ', 'Von :', '-----Original Message', '-- ', 'Sent from my ', 'Regards'],
  [
    'a@b',
    '<',
    '>',
    '<a@b>',
    '> ',
    ' ',
    '  ',
    '\n',
    '\n\n',
    '\r\n ',
    '\t',
    '-',
    '_',
    '=',
    '*',
    '.',
    '+',
  ],
  [
    ':',
    ';',
    ',',
    '"',
    '(',
    ')',
    '\\',
    '[#1]',
    '[',
    '1',
    '2026',
    '12:30',
    '12.30',
    'x',
    'é',
    '\u00a0',
  ],
  ['=?utf-8?Q?', '?=', '=?', "utf-8''%41", 'a*0=', '; a=b', 'Re: ', '550 ', '5.1.1 ', 'delivery '],
  [
    '&lt;',
    '&#',
    '<p>',
    '</p>',
    '<br>',
    '<a href="',
    '<!--',
    '-->',
    'style="',
    'cid:',
    'url(',
    '<td',
  ],
].flat();

/** One to four runs of a few tokens each, repeated: up to `most` characters. */
function pumped(random: SeededRandom, most: number): string {
  const runs = Array.from({ length: 1 + random.below(4) }, () => {
    const unit = Array.from({ length: 1 + random.below(4) }, () => random.pick(tokens)).join('');
    return unit.repeat(Math.ceil((1 + random.size(most)) / unit.length / 4));
  });
  return runs.join(random.pick(['', '\n', ' ', 'x']));
}

export const mutations: Readonly<Record<string, Mutation>> = {
  'bits flipped': (mail, random) => {
    const copy = Buffer.from(mail);
    for (let flips = 1 + random.below(40); flips > 0 && copy.length > 0; flips--) {
      const at = random.below(copy.length);
      copy[at] = copy[at]! ^ (1 << random.below(8));
    }
    return copy;
  },
  truncated: (mail, random) => mail.subarray(0, random.below(mail.length + 1)),
  'beginning cut': (mail, random) => mail.subarray(random.below(mail.length + 1)),
  'a piece repeated': (mail, random) => {
    const from = random.below(mail.length);
    const piece = mail.subarray(from, from + random.size(2000));
    return build(
      mail.subarray(0, from),
      ...Array.from({ length: random.below(200) }, () => piece),
      mail.subarray(from),
    );
  },
  'two mails spliced': (mail, random, other) =>
    build(
      mail.subarray(0, random.below(mail.length + 1)),
      other.subarray(random.below(other.length + 1)),
    ),
  'bytes put in': (mail, random) => {
    const at = random.below(mail.length + 1);
    const put = Buffer.from(Array.from({ length: random.below(300) }, () => random.below(256)));
    return build(mail.subarray(0, at), put, mail.subarray(at));
  },
  'other line ends': (mail, random) =>
    Buffer.from(
      mail.toString('latin1').replace(/\r?\n/g, random.pick(['\n', '\r', '\r\n', '\n\r'])),
      'latin1',
    ),
  'no line ends': (mail) => Buffer.from(mail.toString('latin1').replace(/\r?\n/g, ' '), 'latin1'),
  'a hostile header': (mail, random) =>
    withHeaders(mail, `${random.pick(fields)}: ${random.pick(words)}`),
  'many hostile headers': (mail, random) =>
    withHeaders(
      mail,
      Array.from({ length: 20 }, () => `${random.pick(fields)}: ${random.pick(words)}`).join(
        '\r\n',
      ),
    ),
  'a header injected': (mail, random) =>
    withHeaders(
      mail,
      `Subject: x\r\n ${random.pick(['\r\n', '=0D=0A', '%0d%0a', '\\r\\n', '\u2028'])}Bcc: eve@evil.test\r\nFrom: "a\\" <eve@evil.test>, \\"" <b@c.example>`,
    ),
  'a header folded without end': (mail, random) =>
    withHeaders(mail, `References:${'\r\n <a@b.example>'.repeat(random.size(60_000))}`),
  'headers by the hundred thousand': (mail, random) =>
    withHeaders(mail, 'X-A: b\r\n'.repeat(random.size(200_000)).trimEnd()),
  'a huge header': (mail, random) =>
    withHeaders(mail, `X-Long: ${'x'.repeat(random.size(5_000_000))}`),
  'a million recipients': (_mail, random) =>
    build(`To: ${'a@b.example, '.repeat(1000 + random.size(1_000_000))}c@d\r\n${head}\r\nx`),
  'nested deep': (mail, random) => {
    const depth = random.size(3000);
    const open = Array.from(
      { length: depth },
      (_, at) => `Content-Type: multipart/mixed; boundary=n${at}\r\n\r\n--n${at}\r\n`,
    );
    return build(head, ...open, mail);
  },
  'mails within mails': (mail, random) =>
    build(head, 'Content-Type: message/rfc822\r\n\r\n'.repeat(random.size(3000)), mail),
  'many parts': (mail, random) =>
    build(
      head,
      'Content-Type: multipart/mixed; boundary=p\r\n\r\n',
      ...Array.from({ length: random.size(3000) }, (_, at) => {
        return `--p\r\nContent-Type: image/png; name="${random.pick(names)}"\r\n\r\n${at}\r\n`;
      }),
      '--p\r\n',
      mail,
      '\r\n--p--',
    ),
  'hostile file names': (_mail, random) =>
    build(
      head,
      'Content-Type: multipart/mixed; boundary=p\r\n\r\n--p\r\n\r\nx\r\n',
      ...Array.from({ length: 12 }, () => {
        const name = random.pick(names);
        const form = random.pick([
          `filename="${name}"`,
          `filename*=utf-8''${encodeURIComponent(name.toWellFormed())}`,
          `filename*0="${name.slice(0, 4)}"; filename*1="${name.slice(4)}"`,
          `filename=${name}`,
        ]);
        return `--p\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; ${form}\r\n\r\nx\r\n`;
      }),
      '--p--',
    ),
  'a continued parameter without end': (_mail, random) =>
    build(
      head,
      'Content-Type: application/pdf',
      ...Array.from(
        { length: random.size(20_000) },
        (_, at) => `;\r\n name*${random.pick([at, at * 7, 99_999_999])}=x`,
      ),
      '\r\n\r\nx',
    ),
  'a wrong encoding': (mail, random) =>
    withHeaders(
      mail,
      `Content-Transfer-Encoding: ${random.pick(['base64', 'quoted-printable', 'x-uuencode', 'x-gzip', 'binary', '=?x?', ''])}`,
    ),
  'a wrong charset': (mail, random) =>
    Buffer.from(
      mail
        .toString('latin1')
        .replace(
          /charset=[^\s;]+/gi,
          `charset=${random.pick(['utf-7', 'utf-16', 'utf-32le', 'iso-2022-jp', 'iso-2022-kr', 'hz-gb-2312', 'x-unknown', '__proto__', 'cp037', '"', 'unicode-1-1-utf-7'])}`,
        ),
      'latin1',
    ),
  'a bomb of quoted-printable': (_mail, random) =>
    build(
      head,
      'Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n',
      random.pick(['=3Cdiv=3E', '=', '=\r\n', '=00', '&amp;']).repeat(random.size(400_000)),
    ),
  'a line of megabytes': (_mail, random) =>
    build(
      head,
      '\r\n',
      random.pick(['x', ' ', '>', 'a@b ', '\u0000', '-']).repeat(random.size(4_000_000)),
    ),
  'text that reads like quotes': (_mail, random) =>
    build(
      head,
      'Content-Type: text/plain; charset=utf-8\r\n\r\n',
      Array.from({ length: random.size(20_000) }, () => random.pick(lines)).join('\n'),
    ),
  'a report of thousands': (_mail, random) =>
    build(
      `Return-Path: <>\r\n${head}Content-Type: multipart/report; report-type=delivery-status; boundary=r\r\n\r\n--r\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n`,
      `\r\nFinal-Recipient: rfc822; ${random.pick(words).slice(0, 900)}\r\nAction: failed\r\nStatus: 5.1.1\r\n`.repeat(
        random.size(20_000),
      ),
      '--r--',
    ),
  'HTML that nests': (_mail, random) =>
    build(
      head,
      'Content-Type: text/html\r\n\r\n',
      random
        .pick([
          '<div>',
          '<table><tr><td>',
          '<b><i>',
          '<blockquote>',
          '<a href=x>',
          '<ul><li>',
          '<svg>',
          '<p>',
        ])
        .repeat(random.size(200_000)),
    ),
  'HTML that never closes': (_mail, random) =>
    build(
      head,
      'Content-Type: text/html\r\n\r\n',
      random
        .pick([
          '<',
          '<a ',
          '<!--',
          '<a b="',
          '&',
          '&#',
          '</',
          '<![CDATA[',
          '<style>',
          '<a style="color:',
        ])
        .repeat(random.size(300_000)),
    ),
  'attacks in HTML': (_mail, random) => {
    const attacks = Object.values(hostileHtml);
    const html = Array.from({ length: 1 + random.below(8) }, () => {
      const attack = random.pick(attacks);
      const at = random.below(attack.length);
      return random.below(2) === 0
        ? attack
        : attack.slice(0, at) + random.pick(attacks) + attack.slice(at);
    });
    return build(head, 'Content-Type: text/html; charset=utf-8\r\n\r\n', html.join(''));
  },
  'a calendar without end': (_mail, random) =>
    build(
      head,
      'Content-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\n',
      `BEGIN:VEVENT\r\nSUMMARY;X=${'y;'.repeat(50)}:${'z'.repeat(800)}\r\n`.repeat(
        random.size(2000),
      ),
    ),
  'a winmail.dat of noise': (_mail, random) => {
    const noise = Buffer.from(Array.from({ length: random.size(4000) }, () => random.below(256)));
    const start = Buffer.from([0x78, 0x9f, 0x3e, 0x22, 1, 0, 1, 3, 0x90, 6, 0]);
    return build(
      head,
      'Content-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\n',
      Buffer.concat([start, noise]).toString('base64'),
    );
  },
  'a pumped text': (_mail, random) =>
    build(head, 'Content-Type: text/plain; charset=utf-8\r\n\r\n', pumped(random, 1_000_000)),
  'pumped HTML': (_mail, random) =>
    build(head, 'Content-Type: text/html; charset=utf-8\r\n\r\n', pumped(random, 600_000)),
  'a pumped header': (mail, random) =>
    withHeaders(
      mail,
      `${random.pick(fields)}: ${pumped(random, 600_000).replace(/[\r\n]+ ?/g, '\r\n ')}`,
    ),
  'a pumped bounce': (_mail, random) =>
    build(
      'Return-Path: <>\r\nFrom: MAILER-DAEMON@a.example\r\nSubject: Undeliverable: x\r\n\r\n',
      pumped(random, 200_000),
    ),
};

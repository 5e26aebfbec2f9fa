import { describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { SeededRandom } from './fuzz/random.ts';
import { parseMail, type MailContext, type ParsedMail } from './parse.ts';

const receivedAt = new Date('2026-03-01T12:00:00Z');

function parse(mail: string | Buffer, context: Partial<MailContext> = {}): Promise<ParsedMail> {
  const source = typeof mail === 'string' ? Buffer.from(mail) : mail;
  return parseMail(source, { receivedAt, keepContent: true, ...context });
}

const head = 'From: Ada <ada@Example.COM>\r\nTo: support@help.example\r\nSubject: Hello\r\n';

function mixed(...parts: string[]): string {
  return `${head}Content-Type: multipart/mixed; boundary=b\r\n\r\n${parts.map((part) => `--b\r\n${part}\r\n`).join('')}--b--\r\n`;
}

/** The same in every run. */
function noise(length: number): Buffer {
  const random = new SeededRandom(length);
  return Buffer.from(Array.from({ length }, () => random.below(256)));
}

describe('an ordinary mail', () => {
  const mail = [
    'Message-ID: <Two@Example.COM>',
    'In-Reply-To: <one@Example.COM>',
    'References: <zero@x> <one@Example.COM>',
    'Date: Sun, 1 Mar 2026 10:00:00 +0100',
    'Delivered-To: support+tag@help.example',
    'X-Priority: 1 (Highest)',
    'Reply-To: desk@example.com',
    'Cc: Bob <bob@example.org>',
  ].join('\r\n');

  it('becomes the normalized message', async () => {
    const { message, threading } = await parse(`${head}${mail}\r\n\r\nIt broke.\r\n`);
    expect(message).toEqual({
      channel: 'mime',
      direction: 'inbound',
      kind: 'message',
      status: 'received',
      priority: 'high',
      from: 'ada@example.com',
      sender: { name: 'Ada', address: 'ada@example.com' },
      reply_to: [{ name: '', address: 'desk@example.com' }],
      to: [{ name: '', address: 'support@help.example' }],
      cc: [{ name: 'Bob', address: 'bob@example.org' }],
      bcc: [],
      subject: 'Hello',
      content: 'It broke.',
      new_content: 'It broke.',
      quoted_content: null,
      html: null,
      timestamp: '2026-03-01T09:00:00.000Z',
      received_at: '2026-03-01T12:00:00.000Z',
      message_id: 'Two@Example.COM',
      in_reply_to: ['one@Example.COM'],
      references: ['zero@x', 'one@Example.COM'],
      attachments: [],
      metadata: {
        service_specific_data: {},
        platform_specific: { subject: 'Hello', cc: ['bob@example.org'], bcc: [] },
      },
    });
    expect(threading).toMatchObject({
      messageId: 'Two@example.com',
      references: ['one@example.com', 'zero@x'],
      inReplyTo: ['one@example.com'],
      deliveredTo: ['support@help.example', 'bob@example.org', 'support+tag@help.example'],
    });
  });

  it('has the same content hash in every copy, and another one for other words', async () => {
    const one = await parse(`Received: by a\r\n${head}\r\nIt broke.`);
    const copy = await parse(`Received: by b\r\nDelivered-To: x@y\r\n${head}\r\nIt broke.`, {
      receivedAt: new Date(0),
    });
    const atOnce = await parse(`${head}\r\nIt broke.`, {
      receivedAt: new Date(one.message.timestamp),
    });
    const other = await parse(`${head}\r\nIt broke again.`);
    expect(copy.contentHash).toBe(one.contentHash);
    expect(atOnce.contentHash).toBe(one.contentHash);
    expect(other.contentHash).not.toBe(one.contentHash);
    expect(one.threading.messageId).toBeNull();
  });

  it.each([
    ['bare LF', '\n'],
    ['bare CR', '\r'],
  ])('is read with %s line ends', async (_name, end) => {
    const mail = mixed(
      'Content-Type: text/plain\r\n\r\none\r\ntwo',
      'Content-Type: image/png; name=a.png\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC',
    );
    const { message } = await parse(mail.replaceAll('\r\n', end));
    expect(message).toMatchObject({
      subject: 'Hello',
      content: 'one\ntwo',
      attachments: [{ filename: 'a.png', size: 3 }],
    });
  });
});

describe('a boundary line', () => {
  it('may end in blanks', async () => {
    const mail = mixed('\r\none', '\r\ntwo').replaceAll('--b\r\n', '--b \t\r\n');
    expect((await parse(mail)).message.content).toBe('one\ntwo');
  });
});

describe('attachments', () => {
  it('have their bytes, hash and a unique safe name', async () => {
    const bytes = noise(5000);
    const part = (name: string): string =>
      `Content-Type: application/pdf\r\nContent-Disposition: attachment; filename="${name}"\r\nContent-Transfer-Encoding: base64\r\n\r\n${bytes.toString('base64').replace(/.{76}/g, '$&\r\n')}`;
    const { attachments } = await parse(mixed('\r\nhi', part('../a.pdf'), part('a.pdf')));
    expect(attachments.map((a) => a.filename)).toEqual(['a.pdf', 'a (2).pdf']);
    expect(attachments[0]).toMatchObject({
      size: 5000,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      content: bytes,
      inline: false,
    });
  });

  it('are inline where the HTML shows them, and only there', async () => {
    const image = (id: string): string =>
      `Content-Type: image/png\r\nContent-ID: <${id}>\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC`;
    const { message } = await parse(
      mixed(
        'Content-Type: text/html\r\n\r\n<p>x<img src="cid:logo@x"></p>',
        image('logo@x'),
        image('other@x'),
      ),
    );
    expect(message.attachments).toMatchObject([
      { filename: 'logo.png', inline: true, content_id: 'logo@x' },
      { filename: 'other.png', inline: false, content_id: 'other@x' },
    ]);
    expect(message.content).toBe('x');
    expect(message.html).toContain('cid:logo@x');
  });

  it('keep a nested mail whole, named by its subject', async () => {
    const { message } = await parse(
      mixed(
        '\r\nsee this',
        'Content-Type: message/rfc822\r\n\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n\r\ninner',
      ),
    );
    expect(message.content).toBe('see this');
    expect(message.attachments).toMatchObject([
      { filename: 'Grüße.eml', content_type: 'message/rfc822' },
    ]);
  });

  it('reach the sink as a stream while the mail is read', async () => {
    const hash = createHash('sha256');
    let largest = 0;
    const line = `${'QUJD'.repeat(19)}\r\n`;
    async function* mail(): AsyncGenerator<Buffer> {
      yield Buffer.from(mixed('\r\nhi').replace(/--b--\r\n$/, ''));
      yield Buffer.from(
        '--b\r\nContent-Type: video/mp4; name=v.mp4\r\nContent-Transfer-Encoding: base64\r\n\r\n',
      );
      for (let block = 0; block < 400; block++) yield Buffer.from(line.repeat(800));
      yield Buffer.from('\r\n--b--\r\n');
    }
    const { attachments } = await parseMail(Readable.from(mail()), {
      receivedAt,
      onAttachment: async (meta, content) => {
        expect(meta).toMatchObject({ index: 0, filename: 'v.mp4', contentType: 'video/mp4' });
        for await (const chunk of content as AsyncIterable<Buffer>) {
          largest = Math.max(largest, chunk.length);
          hash.update(chunk);
        }
      },
    });
    expect(attachments[0]).toMatchObject({ size: 57 * 800 * 400, content: null });
    expect(attachments[0]!.sha256).toBe(hash.digest('hex'));
    expect(largest).toBeLessThan(1024 * 1024);
  });

  it("need not be read by the sink, and its failure is the caller's", async () => {
    const mail = mixed('\r\nhi', `Content-Type: image/png\r\n\r\n${'x'.repeat(300_000)}`);
    const unread = await parse(mail, { keepContent: false, onAttachment: async () => {} });
    expect(unread.attachments[0]!.size).toBe(300_000);
    const failing = parse(mail, {
      keepContent: false,
      onAttachment: async () => {
        throw new Error('disk full');
      },
    });
    await expect(failing).rejects.toThrow('disk full');
  });
});

describe('a source that fails', () => {
  it('rejects with the error of the stream', async () => {
    const source = new Readable({
      read() {
        this.destroy(new Error('connection cut'));
      },
    });
    await expect(parseMail(source, { receivedAt })).rejects.toThrow('connection cut');
  });
});

const hostile: Record<string, string | Buffer> = {
  'nothing at all': '',
  'a blank line': '\r\n',
  'no header': 'just words\n',
  'random bytes': noise(50_000),
  'zero bytes': Buffer.alloc(10_000),
  'an unknown transfer encoding': `${head}Content-Transfer-Encoding: x-unknown\r\n\r\nwords`,
  'no boundary': `${head}Content-Type: multipart/mixed\r\n\r\n--x\r\n\r\nwords`,
  'a missing end': mixed(
    'Content-Type: text/plain\r\n\r\nwords',
    'Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC',
  ).slice(0, -20),
  'a cut header': head.slice(0, 40),
  'a header of 3 MB': `${head}X-Long: ${'x'.repeat(3_000_000)}\r\n\r\nwords`,
  '200,000 headers': `${head}${'X-A: b\r\n'.repeat(200_000)}\r\nwords`,
  'nesting 200 deep':
    head +
    Array.from(
      { length: 200 },
      (_, at) => `Content-Type: multipart/mixed; boundary=b${at}\r\n\r\n--b${at}\r\n`,
    ).join('') +
    '\r\nwords',
  '5,000 parts': mixed(...Array.from({ length: 5000 }, () => 'Content-Type: image/png\r\n\r\nx')),
  'a broken type': `${head}Content-Type: ;;;=\r\n\r\nwords`,
  'a prototype in its headers': `${head}__proto__: x\r\nconstructor: y\r\nContent-Type: text/plain; __proto__=z\r\n\r\nwords`,
  'empty addresses': 'From: <>\r\nTo: ,,;\r\nReply-To: \r\nDate: never\r\n\r\nwords',
};

describe('a mail that is broken', () => {
  it.each(Object.entries(hostile))('makes a message all the same: %s', async (_name, mail) => {
    const start = performance.now();
    const { message } = await parse(mail);
    expect(message.received_at).toBe(receivedAt.toISOString());
    expect(typeof message.content).toBe('string');
    expect(performance.now() - start).toBeLessThan(20_000);
  });

  it('keeps what could be read, and says what could not', async () => {
    const { message, notes } = await parse(hostile['a header of 3 MB']!);
    expect(message.subject).toBe('Hello');
    expect(notes.join()).toMatch(/could not be read to its end/);
    expect(message.metadata.platform_specific['notes']).toEqual(notes);
  });

  it.each([
    ['a line of 10 MB', `${head}\r\n${'x'.repeat(10_000_000)}`],
    ['text of 10 MB', `${head}\r\n${'all work and no play\r\n'.repeat(500_000)}`],
    [
      'HTML of 10 MB',
      `${head}Content-Type: text/html\r\n\r\n${'<p>all <a href="http://x.test">work</a></p>\r\n'.repeat(200_000)}`,
    ],
  ])('is cut with a note: %s', async (_name, mail) => {
    const start = performance.now();
    const { message, notes } = await parse(mail);
    expect(performance.now() - start).toBeLessThan(30_000);
    expect(message.content.length).toBeLessThanOrEqual(1024 * 1024);
    expect(notes.length).toBeGreaterThan(0);
  });

  it('holds nothing that Postgres refuses', async () => {
    const wide = `${'x'.repeat(3999)}🖨`;
    const mail = await parse(
      `From: =?utf-8?B?AEE=?= <a\0@b>\r\nMessage-ID: <a\0@b>\r\nSubject: ${wide}\r\nContent-Type: text/html\r\n\r\n<p>\0x&#xD800;</p>`,
    );
    const { headers: _raw, ...kept } = mail;
    const said = JSON.stringify({ ...kept, attachments: [] });
    expect(said).not.toMatch(/\\u0000|\\ud[89a-f]/i);
    expect(mail.message.content).toMatch(/x/);
  });

  it('uses the time of receipt where the date is none', async () => {
    expect((await parse(hostile['empty addresses']!)).message).toMatchObject({
      from: null,
      sender: null,
      to: [],
      timestamp: receivedAt.toISOString(),
      content: 'words',
    });
  });
});

describe('authentication', () => {
  const results =
    'Authentication-Results: mx.help.example;\r\n dkim=fail header.d=x; dkim=pass (good; very) header.d=example.com;\r\n spf=softfail smtp.mailfrom=a@b; dmarc=pass (p=NONE) header.from=example.com\r\n';

  it("shows the verdicts of the channel's server", async () => {
    const mail = await parse(`${results}${head}\r\nx`, { trustedServers: ['mx.help.example'] });
    expect(mail.message.authentication).toEqual({ spf: 'softfail', dkim: 'pass', dmarc: 'pass' });
    expect(mail.authenticationTrusted).toBe(true);
  });

  it('reads the verdicts of Exchange Online, which names no server and so is never trusted', async () => {
    const exchange =
      'Authentication-Results: spf=fail (sender IP is 192.0.2.1)\r\n smtp.mailfrom=example.com; dkim=none (message not signed)\r\n header.d=none;dmarc=fail action=none header.from=example.com;\r\n';
    const mail = await parse(`${exchange}${head}\r\nx`);
    expect(mail.message.authentication).toEqual({ spf: 'fail', dkim: 'none', dmarc: 'fail' });
    expect(mail.authenticationTrusted).toBe(false);
    const other = await parse(`${exchange}${head}\r\nx`, { trustedServers: ['mx.help.example'] });
    expect(other.message).not.toHaveProperty('authentication');
  });

  it('trusts no other server, and none where none is named', async () => {
    const forged = await parse(`${results}${head}\r\nx`, { trustedServers: ['mx.other.example'] });
    expect(forged.message).not.toHaveProperty('authentication');
    expect((await parse(`${results}${head}\r\nx`)).authenticationTrusted).toBe(false);
    expect((await parse(`${head}\r\nx`)).message).not.toHaveProperty('authentication');
  });
});

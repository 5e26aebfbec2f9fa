import { describe, expect, it } from '@jest/globals';
import { ReplyParser } from './reply-parser.ts';

/** Feeds the bytes in pieces of `size`; every status line but the first announces contents. */
function parsed(bytes: string, size: number) {
  const lines: string[] = [];
  const contents: string[] = [];
  let current = '';
  const parser = new ReplyParser({
    status: (line) => lines.push(line) > 1,
    content: (piece) => void (current += piece.toString('latin1')),
    contentEnd: () => {
      contents.push(current);
      current = '';
    },
  });
  const all = Buffer.from(bytes, 'latin1');
  for (let from = 0; from < all.length; from += size) parser.push(all.subarray(from, from + size));
  return { lines, contents, isMidway: parser.isMidway };
}

describe('ReplyParser', () => {
  const mails = [
    '',
    'Subject: x\r\n\r\nHello\r\n',
    '.\r\n..\r\n...\r\n.x\r\n',
    'a\r\n\r\n.\r\n',
    'bare\nlf\n.\nand\rcr\r.\r\r\n',
    '\xe4\xf6\xfc\x00\xff\r\n',
    '\r\n\r\n\r\n',
  ];
  const stuffed = (mail: string) => mail.replace(/^\./, '..').replaceAll('\r\n.', '\r\n..');
  const session = `+OK ready\r\n${mails.map((mail) => `+OK follows\r\n${stuffed(mail)}.\r\n`).join('')}`;

  it.each([1, 2, 3, 4, 5, 7, 11, 64, 10_000])(
    'gives every byte back, whatever the network cuts: pieces of %i',
    (size) => {
      const { lines, contents, isMidway } = parsed(session, size);
      expect(contents).toEqual(mails);
      expect(lines).toEqual(['+OK ready', ...mails.map(() => '+OK follows')]);
      expect(isMidway).toBe(false);
    },
  );

  it('says that something is unfinished', () => {
    expect(parsed('+OK rea', 3).isMidway).toBe(true);
    expect(parsed('+OK ready\r\n+OK x\r\nSubject', 100).isMidway).toBe(true);
  });

  it('gives up on a status line that never ends', () => {
    expect(() => parsed('+'.repeat(20_000), 1000)).toThrow('without an end');
  });
});

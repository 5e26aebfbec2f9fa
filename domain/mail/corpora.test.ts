import { describe, expect, it } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NormalizedMessage } from '../message.ts';
import { parseMail } from './parse.ts';
import { splitQuoted } from './quote.ts';

const corpora = join(import.meta.dirname, '../../../shared/corpora');
const withCorpora = existsSync(corpora) ? describe : describe.skip;

type Expectation = Record<string, { agree: number; value: unknown }>;

const squeeze = (text: unknown): string => String(text).replace(/\s+/g, ' ').trim();
const addresses = (list: { address: string }[]): string[] =>
  list.map((entry) => entry.address.toLowerCase());

/** Our reading of a field, in the form of expected.json. */
const readings: Record<string, (message: NormalizedMessage) => unknown> = {
  attachmentCount: (m) => m.attachments.length,
  binarySha256: (m) =>
    m.attachments
      .filter((a) => !/^(text|message|multipart)\//.test(a.content_type))
      .map((a) => `${a.content_type} ${a.sha256}`)
      .sort(),
  cc: (m) => addresses(m.cc),
  date: (m) => (m.timestamp === m.received_at ? null : Date.parse(m.timestamp) / 1000),
  from: (m) => m.sender?.address.toLowerCase() ?? null,
  fromName: (m) => m.sender?.name ?? null,
  hasHtml: (m) => m.html !== null,
  inReplyTo: (m) => m.in_reply_to,
  messageId: (m) => m.message_id ?? '',
  references: (m) => m.references,
  replyTo: (m) => addresses(m.reply_to),
  subject: (m) => squeeze(m.subject ?? ''),
  text: (m) => squeeze(m.content),
  to: (m) => addresses(m.to),
};

/** What the other parsers say, in the form of our readings. */
function expectedValue(field: string, value: unknown): unknown {
  if (field === 'from') return ((value as string[])[0] ?? null)?.toLowerCase() ?? null;
  if (field === 'fromName') return (value as string[])[0] ?? null;
  if (['to', 'cc', 'replyTo'].includes(field))
    return (value as string[]).map((a) => a.toLowerCase());
  if (field === 'binarySha256') return (value as string[][]).map((pair) => pair.join(' ')).sort();
  return field === 'subject' || field === 'text' ? squeeze(value ?? '') : value;
}

// A name that we make where the mail gives none has no counterpart; every given one must be there.
function namesAgree(message: NormalizedMessage, expected: string[]): boolean {
  const ours = message.attachments.map((attachment) => attachment.filename);
  return expected.filter(Boolean).every((name) => ours.includes(name));
}

function agrees(field: string, message: NormalizedMessage, value: unknown): boolean {
  if (field === 'attachmentNames') return namesAgree(message, value as string[]);
  return JSON.stringify(readings[field]!(message)) === JSON.stringify(expectedValue(field, value));
}

async function scoreMails(): Promise<Record<string, { agreed: number; of: number }>> {
  const folder = join(corpora, 'mail');
  const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as Record<
    string,
    Expectation
  >;
  const scores: Record<string, { agreed: number; of: number }> = {};
  for (const [file, fields] of Object.entries(expected)) {
    const { message } = await parseMail(readFileSync(join(folder, file)), {
      receivedAt: new Date(0),
    });
    for (const [field, { agree, value }] of Object.entries(fields)) {
      // Where all three lost a byte to U+FFFD that our charset detection reads, there is no truth.
      if (agree < 3 || JSON.stringify(value).includes('\ufffd')) continue;
      const score = (scores[field] ??= { agreed: 0, of: 0 });
      score.of++;
      if (agrees(field, message, value)) score.agreed++;
    }
  }
  return scores;
}

function share(scores: Record<string, { agreed: number; of: number }>, fields: string[]): number {
  const chosen = fields.map((field) => scores[field]!);
  const of = chosen.reduce((sum, score) => sum + score.of, 0);
  return chosen.reduce((sum, score) => sum + score.agreed, 0) / of;
}

withCorpora('211 real mails, against three other parsers', () => {
  it('are read alike where all three agree', async () => {
    const scores = await scoreMails();
    const headers = share(scores, [
      'from',
      'fromName',
      'to',
      'cc',
      'replyTo',
      'subject',
      'date',
      'messageId',
      'inReplyTo',
      'references',
    ]);
    const files = share(scores, ['attachmentCount', 'attachmentNames', 'binarySha256']);
    const text = share(scores, ['text']);
    console.log(JSON.stringify({ headers, files, text, fields: scores }));
    expect(headers).toBeGreaterThanOrEqual(0.995);
    expect(files).toBeGreaterThanOrEqual(0.98);
    expect(text).toBeGreaterThanOrEqual(0.97);
  }, 60_000);
});

interface ReplyCase {
  fixture: string;
  field: string;
  expected: unknown;
}

withCorpora('replies of many mail clients', () => {
  const folder = join(corpora, 'replies/crisp-reply-parser');
  const read = (): ReplyCase[] =>
    (JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as ReplyCase[]).filter(
      ({ field }) => /^(fragment0|visible)$/.test(field),
    );
  const text = (fixture: string): string =>
    readFileSync(join(folder, 'test/fixtures', fixture), 'utf8');

  it('are split as expected', () => {
    const cases = read();
    const agreed = cases.filter(
      ({ fixture, expected }) =>
        squeeze(splitQuoted(text(fixture)).new_content) === squeeze(expected),
    );
    console.log(`replies: ${agreed.length} of ${cases.length}`);
    expect(agreed.length / cases.length).toBeGreaterThanOrEqual(0.95);
  });

  it('lose no word', () => {
    const words = (value: string): string => squeeze(value).split(' ').sort().join(' ');
    for (const { fixture } of read()) {
      const split = splitQuoted(text(fixture));
      expect(words(`${split.new_content} ${split.quoted_content ?? ''}`)).toBe(
        words(text(fixture)),
      );
    }
  });
});

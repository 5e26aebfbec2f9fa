import { PassThrough, Readable } from 'node:stream';
import libmime from 'libmime';
import type { AttachmentStream } from 'mailparser';
import { BoundedMailParser } from './bounded-mail-parser.ts';
import { MailHeaders } from './headers.ts';
import { AttachmentMeter, readUpTo, SourceHead } from './mime-streams.ts';
import { isTnef, readTnef, type Tnef } from './tnef.ts';

/** What is known of an attachment when its bytes begin to arrive. */
export interface AttachmentMeta {
  /** Position in the mail, counted from 0. */
  index: number;
  filename: string | null;
  contentType: string;
  contentId: string | null;
}

/**
 * Takes the decoded bytes of one attachment; the mail is read on when it returns. What it leaves
 * unread is passed over; an error it throws ends the parse.
 */
export type AttachmentSink = (meta: AttachmentMeta, content: Readable) => Promise<void>;

export interface MailPart extends AttachmentMeta {
  disposition: string | null;
  contentLocation: string | null;
  /** Parameters of Content-Type. */
  params: Record<string, string>;
  size: number;
  sha256: string;
  /** The first 256 KiB, of reports, nested mails and calendars only. */
  start: Buffer | null;
}

export interface MimeContent {
  headers: MailHeaders;
  text: string;
  html: string;
  parts: MailPart[];
  /** What could not be read or was cut, in plain words. */
  notes: string[];
}

/** A winmail.dat is held in memory to be unpacked; a larger one is kept as it is. */
const tnefLimit = 32 * 1024 * 1024;
/** As many attachments as a mail has parts at most; a winmail.dat beyond them is kept as it is. */
const unpackLimit = 1000;

const keptTypes = /^(message\/|text\/rfc822-headers|text\/calendar|application\/ics)/;

/**
 * Reads a mail's MIME structure, streaming attachments to the sink. What is broken is noted, not
 * thrown; only errors of the source stream and of the sink are.
 */
export async function readMime(source: Readable, sink: AttachmentSink): Promise<MimeContent> {
  const parser = new BoundedMailParser();
  const head = new SourceHead();
  const content: PartsSoFar = { text: '', html: '', parts: [], notes: [], tnef: null, open: null };
  const sourceFailed = new Promise<never>((_resolve, reject) => {
    source.once('error', reject);
    head.once('error', reject);
  });
  sourceFailed.catch((error: unknown) => {
    content.open?.bytes.destroy(error instanceof Error ? error : new Error(String(error)));
    parser.destroy();
  });
  // A parser that fails leaves the attachment it is in without an end: what came of it is kept.
  parser.once('error', () => content.open?.end());
  source.pipe(head).pipe(parser);
  await Promise.race([readParts(parser, content, sink), sourceFailed]);
  head.resume();
  content.notes.push(...parser.cut);
  const { tnef, open: _open, ...read } = content;
  if (tnef !== null && read.text.trim() === '' && read.html === '') {
    read.text = tnef.text ?? '';
    read.html = tnef.html ?? '';
  }
  return { headers: MailHeaders.read(head.head), ...read };
}

type PartsSoFar = Omit<MimeContent, 'headers'> & {
  /** The first winmail.dat, which stands in for a body that the mail itself doesn't have. */
  tnef: Tnef | null;
  /** The attachment that is being read. */
  open: { bytes: Readable; end(): void } | null;
};

async function readParts(
  parser: BoundedMailParser,
  content: PartsSoFar,
  sink: AttachmentSink,
): Promise<void> {
  let sinkError: unknown = null;
  try {
    for await (const part of parser as AsyncIterable<
      AttachmentStream | { type: 'text'; text?: string; html?: string }
    >) {
      if (part.type === 'text') {
        content.text = part.text ?? '';
        content.html = part.html ?? '';
        continue;
      }
      try {
        await readAttachment(part, content, sink);
      } catch (error) {
        sinkError = error;
        throw error;
      }
    }
  } catch (error) {
    if (sinkError !== null) throw error;
    content.notes.push(`The mail could not be read to its end: ${reason(error)}.`);
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function readAttachment(
  part: AttachmentStream,
  content: PartsSoFar,
  sink: AttachmentSink,
): Promise<void> {
  const type = typeHeader(part);
  const location = part.headers.get('content-location');
  const described: DescribedPart = {
    filename: part.filename || null,
    // mailparser guesses a type by the file's name where the sender said octet-stream; we keep his.
    contentType: (type.value || part.contentType || 'application/octet-stream').toLowerCase(),
    contentId: part.cid || null,
    disposition: part.contentDisposition ?? null,
    contentLocation: typeof location === 'string' ? location : null,
    params: type.params,
  };
  const decoded = part.content as Readable; // mailparser's types name its base class alone
  const bytes = decoded.pipe(new PassThrough());
  const end = (): void => {
    decoded.unpipe(bytes);
    bytes.end();
  };
  decoded.once('error', end);
  content.open = { bytes, end };
  const isPacked = isTnef(described.contentType, described.filename);
  if (isPacked && content.parts.length < unpackLimit)
    await unpackTnef(described, bytes, content, sink);
  else content.parts.push(await meter(described, bytes, content.parts.length, sink));
  content.open = null;
  part.release();
}

type DescribedPart = Omit<MailPart, 'index' | 'size' | 'sha256' | 'start'>;

async function meter(
  described: DescribedPart,
  bytes: Readable,
  index: number,
  sink: AttachmentSink,
): Promise<MailPart> {
  const { filename, contentType, contentId } = described;
  const meter = new AttachmentMeter(keptTypes.test(contentType));
  const metered = new Promise<void>((resolve, reject) => {
    meter.once('end', resolve);
    meter.once('error', reject);
    bytes.once('error', reject);
  });
  bytes.pipe(meter);
  const shown = meter.pipe(new PassThrough());
  await sink({ index, filename, contentType, contentId }, shown);
  // A sink that broke off has destroyed what it was shown; the rest is counted all the same.
  meter.unpipe(shown);
  meter.resume();
  await metered;
  return { ...described, index, size: meter.size, ...meter.digest() };
}

/** What Outlook packed takes the place of its winmail.dat, which is kept where it can't be read. */
async function unpackTnef(
  described: DescribedPart,
  bytes: Readable,
  content: PartsSoFar,
  sink: AttachmentSink,
): Promise<void> {
  const { start, rest } = await readUpTo(bytes, tnefLimit);
  const unpacked = rest === null ? tnefOf(start, content.notes) : null;
  if (rest !== null) content.notes.push('winmail.dat is larger than 32 MiB and was kept as it is.');
  if (unpacked === null) {
    const whole = Readable.from(rest === null ? [start] : joined(start, rest));
    content.parts.push(await meter(described, whole, content.parts.length, sink));
    return;
  }
  content.tnef ??= unpacked;
  for (const file of unpacked.files) {
    const packed = {
      filename: file.filename,
      contentType: (file.contentType || typeByName(file.filename)).toLowerCase(),
      contentId: file.contentId?.replace(/^<|>$/g, '') || null,
      disposition: null,
      contentLocation: null,
      params: {},
    };
    const held = Readable.from([file.content]);
    content.parts.push(await meter(packed, held, content.parts.length, sink));
  }
}

function tnefOf(bytes: Buffer, notes: string[]): Tnef | null {
  try {
    const unpacked = readTnef(bytes);
    const isEmpty = unpacked.files.length === 0 && !unpacked.text && !unpacked.html;
    return isEmpty ? null : unpacked;
  } catch (error) {
    notes.push(`winmail.dat could not be unpacked and was kept as it is: ${reason(error)}`);
    return null;
  }
}

async function* joined(start: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield start;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}

function typeByName(filename: string | null): string {
  return libmime.detectMimeType(filename ?? '') || 'application/octet-stream';
}

function typeHeader(part: AttachmentStream): { value: string; params: Record<string, string> } {
  const header = part.headers.get('content-type');
  return header !== null && typeof header === 'object' && 'params' in header
    ? header
    : { value: '', params: {} };
}

/** Passes over an attachment's bytes: they are hashed and counted all the same. */
export const discardAttachment: AttachmentSink = async (_meta, content) => {
  content.resume();
};

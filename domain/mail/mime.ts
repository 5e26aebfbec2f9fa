import { PassThrough, type Readable } from 'node:stream';
import type { AttachmentStream } from 'mailparser';
import { BoundedMailParser } from './bounded-mail-parser.ts';
import { MailHeaders } from './headers.ts';
import { AttachmentMeter, SourceHead } from './mime-streams.ts';

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

const keptTypes = /^(message\/|text\/rfc822-headers|text\/calendar|application\/ics)/;

/**
 * Reads a mail's MIME structure, streaming attachments to the sink. What is broken is noted, not
 * thrown; only errors of the source stream and of the sink are.
 */
export async function readMime(source: Readable, sink: AttachmentSink): Promise<MimeContent> {
  const parser = new BoundedMailParser();
  const head = new SourceHead();
  const content = { text: '', html: '', parts: [] as MailPart[], notes: [] as string[] };
  const sourceFailed = new Promise<never>((_resolve, reject) => {
    source.once('error', reject);
    head.once('error', reject);
  });
  sourceFailed.catch(() => parser.destroy());
  source.pipe(head).pipe(parser);
  await Promise.race([readParts(parser, content, sink), sourceFailed]);
  head.resume();
  content.notes.push(...parser.cut);
  return { headers: MailHeaders.read(head.head), ...content };
}

type PartsSoFar = Omit<MimeContent, 'headers'>;

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
        content.parts.push(await readAttachment(part, content.parts.length, sink));
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
  index: number,
  sink: AttachmentSink,
): Promise<MailPart> {
  const type = typeHeader(part);
  // mailparser guesses a type by the file's name where the sender said octet-stream; we keep his.
  const contentType = (type.value || part.contentType || 'application/octet-stream').toLowerCase();
  const meta: AttachmentMeta = {
    index,
    filename: part.filename || null,
    contentType,
    contentId: part.cid || null,
  };
  const meter = new AttachmentMeter(keptTypes.test(contentType));
  const metered = new Promise<void>((resolve, reject) => {
    meter.once('end', resolve);
    meter.once('error', reject);
    part.content.once('error', reject);
  });
  part.content.pipe(meter);
  const shown = meter.pipe(new PassThrough());
  await sink(meta, shown);
  shown.resume();
  await metered;
  part.release();
  const location = part.headers.get('content-location');
  return {
    ...meta,
    disposition: part.contentDisposition ?? null,
    contentLocation: typeof location === 'string' ? location : null,
    params: type.params,
    size: meter.size,
    ...meter.digest(),
  };
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

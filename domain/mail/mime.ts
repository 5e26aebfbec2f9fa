import { createHash } from 'node:crypto';
import { PassThrough, Transform, type Readable, type TransformCallback } from 'node:stream';
import { MailParser, type AttachmentStream, type Headers } from 'mailparser';
import { decodeBytes } from './charset.ts';
import { MailHeaders } from './headers.ts';

const headLimit = 1024 * 1024;
const textLimit = 1024 * 1024;
const reportLimit = 256 * 1024;

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

// mailparser decodes by label alone, and trusts it; every text goes through our decoder instead,
// which also bounds it, and it parses the headers that describe a part alone, since it takes long
// over hostile addresses. These methods are its own seams, kept by the exact pin.
interface SplitNode {
  root: boolean;
  charset: string | false;
  contentType: string | false;
  disposition: string | false;
  filename: string | false;
  parentNode: { contentType: string | false } | false;
}

interface HeaderLine {
  key: string;
  line: string;
}

type CompareBoundary = (line: Buffer, start: number, boundary: Buffer) => 1 | 2 | false;

interface MailParserSeams {
  createNode(node: SplitNode): unknown;
  processHeaders(lines: HeaderLine[]): Headers;
}

// A part is described by these; the mail's own headers are read by MailHeaders.
const partHeaders = new Set([
  'content-type',
  'content-disposition',
  'content-id',
  'content-location',
  'content-transfer-encoding',
]);

// A named text beside the body is a file that was sent along, whatever its disposition says.
function isNamedFile(node: SplitNode): boolean {
  const inMixed = node.parentNode !== false && node.parentNode.contentType === 'multipart/mixed';
  return !node.root && inMixed && node.filename !== false;
}

// A boundary line may end in blanks (RFC 2046 §5.1.1), which mailsplit doesn't look past.
function withoutPadding(line: Buffer): Buffer {
  let end = line.length;
  while (end > 0 && (line[end - 1] === 0x0a || line[end - 1] === 0x0d)) end--;
  let text = end;
  while (text > 0 && (line[text - 1] === 0x20 || line[text - 1] === 0x09)) text--;
  return text === end ? line : Buffer.concat([line.subarray(0, text), line.subarray(end)]);
}

class BoundedMailParser extends MailParser {
  readonly cut: string[] = [];

  constructor() {
    super({
      skipHtmlToText: true,
      skipTextToHtml: true,
      skipImageLinks: true,
      skipTextLinks: true,
      keepDeliveryStatus: true,
      ignoreEmbedded: true,
      checksumAlgo: 'sha256',
    } as ConstructorParameters<typeof MailParser>[0]);
    const { splitter } = this as unknown as { splitter: { compareBoundary: CompareBoundary } };
    const compare = splitter.compareBoundary.bind(splitter);
    splitter.compareBoundary = (line, start, boundary) =>
      compare(withoutPadding(line), start, boundary);
  }

  createNode(node: SplitNode): unknown {
    if (isNamedFile(node)) node.disposition = 'attachment';
    // mailparser calls the decoder only for labels other than UTF-8 and ASCII.
    node.charset = `label:${node.charset || ''}`;
    return (MailParser.prototype as unknown as MailParserSeams).createNode.call(this, node);
  }

  processHeaders(lines: HeaderLine[]): Headers {
    const wanted = lines
      .filter(({ key }) => partHeaders.has(key))
      .slice(-20)
      .map(({ key, line }) => ({ key, line: line.slice(0, 65_536) }));
    return (MailParser.prototype as unknown as MailParserSeams).processHeaders.call(this, wanted);
  }

  getDecoder(): { decodeStream(label: string): Transform } {
    return {
      decodeStream: (label) =>
        new TextDecoderStream(label.replace(/^label:/, ''), () => {
          this.cut.push('A text longer than 1 MiB was cut; the source holds all of it.');
        }),
    };
  }
}

/** Collects the bytes of one text part up to the bound and decodes them at its end. */
class TextDecoderStream extends Transform {
  readonly #chunks: Buffer[] = [];
  #length = 0;
  readonly #label: string;
  readonly #onCut: () => void;

  constructor(label: string, onCut: () => void) {
    super();
    this.#label = label;
    this.#onCut = onCut;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const room = textLimit - this.#length;
    if (room > 0) this.#chunks.push(chunk.subarray(0, room));
    if (this.#length <= textLimit && this.#length + chunk.length > textLimit) this.#onCut();
    this.#length += chunk.length;
    done();
  }

  override _flush(done: TransformCallback): void {
    done(null, Buffer.from(decodeBytes(Buffer.concat(this.#chunks), this.#label || null)));
  }
}

/** Passes a source on, keeps its head, and turns bare CR line ends into CRLF. */
class SourceHead extends Transform {
  readonly #chunks: Buffer[] = [];
  #length = 0;
  #bareCr: boolean | null = null;

  get head(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  override _transform(input: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#bareCr ??= input.includes(0x0d) && !input.subarray(0, 65_536).includes(0x0a);
    const chunk = this.#bareCr
      ? Buffer.from(input.toString('latin1').replace(/\r\n?/g, '\r\n'), 'latin1')
      : input;
    if (this.#length < headLimit) this.#chunks.push(chunk);
    this.#length += chunk.length;
    done(null, chunk);
  }
}

/** Hashes and counts one attachment on its way to the sink, and keeps the start of a report. */
class AttachmentMeter extends Transform {
  readonly #hash = createHash('sha256');
  readonly #kept: Buffer[] = [];
  readonly #keeps: boolean;
  #keptLength = 0;
  size = 0;

  constructor(keeps: boolean) {
    super();
    this.#keeps = keeps;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#hash.update(chunk);
    this.size += chunk.length;
    if (this.#keeps && this.#keptLength < reportLimit) {
      this.#kept.push(chunk);
      this.#keptLength += chunk.length;
    }
    done(null, chunk);
  }

  digest(): { sha256: string; start: Buffer | null } {
    const start = this.#keeps ? Buffer.concat(this.#kept).subarray(0, reportLimit) : null;
    return { sha256: this.#hash.digest('hex'), start };
  }
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

import { Transform, type TransformCallback } from 'node:stream';
import { MailParser, type Headers } from 'mailparser';
import { decodeBytes } from './charset.ts';

const textLimit = 1024 * 1024;

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

/** MailParser that decodes by our rules and takes bounded time and memory; `cut` says what it cut. */
export class BoundedMailParser extends MailParser {
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

import { Transform, type TransformCallback } from 'node:stream';
import { MailParser, type Headers } from 'mailparser';
import { decodeBytes } from './charset.ts';
import { repairMime, type Splitter } from './mime-repairs.ts';

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

// A body whose disposition is no word of RFC 2183 is still the body.
function isUnknownDisposition({ root, disposition, filename }: SplitNode): boolean {
  return root && filename === false && !/^(attachment|inline)$/.test(disposition || 'inline');
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
    repairMime((this as unknown as { splitter: Splitter }).splitter, () => {
      this.cut.push('Of more than 1,000 parts the last one read holds the rest.');
    });
  }

  createNode(node: SplitNode): unknown {
    if (isNamedFile(node)) node.disposition = 'attachment';
    else if (isUnknownDisposition(node)) node.disposition = 'inline';
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

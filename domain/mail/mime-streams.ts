import { createHash } from 'node:crypto';
import { Transform, type Readable, type TransformCallback } from 'node:stream';

const headLimit = 1024 * 1024;
const reportLimit = 256 * 1024;

/** Passes a source on, keeps its head, and turns bare CR line ends into CRLF. */
export class SourceHead extends Transform {
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
export class AttachmentMeter extends Transform {
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

/** Reads up to `limit` bytes into memory; `rest` goes on from there, and is null where all was read. */
export async function readUpTo(
  bytes: Readable,
  limit: number,
): Promise<{ start: Buffer; rest: AsyncIterator<Buffer> | null }> {
  const iterator = (bytes as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  const held: Buffer[] = [];
  for (let size = 0; size <= limit;) {
    const next = await iterator.next();
    if (next.done) return { start: Buffer.concat(held), rest: null };
    held.push(next.value);
    size += next.value.length;
  }
  return { start: Buffer.concat(held), rest: iterator };
}

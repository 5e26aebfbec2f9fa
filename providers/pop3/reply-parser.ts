/** Longest status line taken: RFC 2449 §4 says 512 octets, and some servers say more. */
const LINE_BYTES = 16 * 1024;
const CRLF = '\r\n';
const DOT = 0x2e;
const CR = 0x0d;
const LF = 0x0a;

/** What the parser found, in the order it came. */
export interface ReplyListener {
  /** A status line, without its end. Returns whether lines up to a lone dot follow. */
  readonly status: (line: string) => boolean;
  /** A piece of what follows, its dots unstuffed and its line ends kept. */
  readonly content: (piece: Buffer) => void;
  readonly contentEnd: () => void;
}

/**
 * Cuts a server's bytes into status lines and multi-line contents (RFC 1939 §3), however the network cuts them:
 * a terminator or a stuffed dot may lie across two pieces.
 */
export class ReplyParser {
  readonly #listener: ReplyListener;
  #held: Buffer = Buffer.alloc(0);
  #inContent = false;
  #atLineStart = false;

  constructor(listener: ReplyListener) {
    this.#listener = listener;
  }

  /** Bytes came that are no whole line yet. */
  get isMidway(): boolean {
    return this.#held.length > 0 || this.#inContent;
  }

  /** @throws Error where a status line has no end */
  push(bytes: Buffer): void {
    let rest: Buffer | null = this.#held.length > 0 ? Buffer.concat([this.#held, bytes]) : bytes;
    this.#held = Buffer.alloc(0);
    while (rest !== null && rest.length > 0)
      rest = this.#inContent ? this.#content(rest) : this.#status(rest);
  }

  /** @returns what is left to read, or null where more must come first */
  #status(bytes: Buffer): Buffer | null {
    const end = bytes.indexOf(CRLF);
    if (end === -1) {
      if (bytes.length > LINE_BYTES) throw new Error('The server sent a line without an end.');
      this.#held = bytes;
      return null;
    }
    this.#inContent = this.#listener.status(bytes.toString('utf8', 0, end));
    this.#atLineStart = true;
    return bytes.subarray(end + 2);
  }

  #content(bytes: Buffer): Buffer | null {
    let from = 0;
    for (;;) {
      if (this.#atLineStart && bytes[from] === DOT) {
        const [next, afterNext] = [bytes[from + 1], bytes[from + 2]];
        if (next === undefined || (next === CR && afterNext === undefined))
          return this.#hold(bytes, from);
        if (next === CR && afterNext === LF) return this.#ended(bytes.subarray(from + 3));
        from += 1;
      }
      const line = bytes.indexOf('\r\n.', from);
      if (line === -1) return this.#toTheEnd(bytes, from);
      this.#listener.content(bytes.subarray(from, line + 2));
      this.#atLineStart = true;
      from = line + 2;
    }
  }

  #toTheEnd(bytes: Buffer, from: number): null {
    const isLineEnd = bytes.length >= from + 2 && bytes.at(-2) === CR && bytes.at(-1) === LF;
    // A lone CR may be half of a line's end.
    const end = !isLineEnd && bytes.length > from && bytes.at(-1) === CR ? -1 : bytes.length;
    const piece = bytes.subarray(from, end === -1 ? bytes.length - 1 : end);
    if (piece.length > 0) this.#listener.content(piece);
    this.#atLineStart = isLineEnd || (this.#atLineStart && bytes.length === from);
    this.#held = end === -1 ? bytes.subarray(-1) : Buffer.alloc(0);
    return null;
  }

  #hold(bytes: Buffer, from: number): null {
    this.#held = bytes.subarray(from);
    return null;
  }

  #ended(rest: Buffer): Buffer {
    this.#inContent = false;
    this.#listener.contentEnd();
    return rest;
  }
}

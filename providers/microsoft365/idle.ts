/** Patience with a transfer: it may take as long as it takes, but not stand still. */
export class IdleLimit {
  readonly #controller = new AbortController();
  readonly #ms: number;
  #timer: NodeJS.Timeout;

  /** @param ms without any sign of progress, from now on */
  constructor(ms: number) {
    this.#ms = ms;
    this.#timer = this.#start();
  }

  /** Aborts with a `TimeoutError`. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** What comes shows that it goes on. */
  async *watch<T>(chunks: AsyncIterable<T>): AsyncGenerator<T> {
    for await (const chunk of chunks) {
      clearTimeout(this.#timer);
      this.#timer = this.#start();
      yield chunk;
    }
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  #start(): NodeJS.Timeout {
    return setTimeout(() => {
      const seconds = Math.round(this.#ms / 1000);
      this.#controller.abort(new DOMException(`Nothing came for ${seconds} s.`, 'TimeoutError'));
    }, this.#ms);
  }
}

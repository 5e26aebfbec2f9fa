interface Asked<I, O> {
  readonly item: I;
  readonly answer: (value: O) => void;
  readonly fail: (error: unknown) => void;
}

/**
 * Makes one statement of what is asked while the one before is under way, key by key (a tenant): alone, a question waits
 * for nobody; in a crowd, the crowd shares the cost. Where a batch fails, each is asked alone, so that none suffers for
 * another.
 */
export class Coalesced<K, I, O> {
  readonly #ask: (key: K, items: readonly I[]) => Promise<readonly O[]>;
  readonly #together: (items: readonly I[]) => number;
  readonly #waiting = new Map<K, Asked<I, O>[]>();

  /**
   * @param ask answers every item, in order.
   * @param together how many of the first of these may go into one batch, at least one; all, where it is left out.
   */
  constructor(
    ask: (key: K, items: readonly I[]) => Promise<readonly O[]>,
    together: (items: readonly I[]) => number = (items) => items.length,
  ) {
    this.#ask = ask;
    this.#together = together;
  }

  ask(key: K, item: I): Promise<O> {
    return new Promise((answer, fail) => {
      const asked = { item, answer, fail };
      const waiting = this.#waiting.get(key);
      if (waiting) {
        waiting.push(asked);
        return;
      }
      const first = [asked];
      this.#waiting.set(key, first);
      void this.#work(key, first);
    });
  }

  async #work(key: K, waiting: Asked<I, O>[]): Promise<void> {
    while (waiting.length > 0) {
      const count = this.#together(waiting.map(({ item }) => item));
      await this.#answer(key, waiting.splice(0, count));
    }
    this.#waiting.delete(key);
  }

  async #answer(key: K, taken: readonly Asked<I, O>[]): Promise<void> {
    try {
      const answers = await this.#ask(
        key,
        taken.map(({ item }) => item),
      );
      for (const [place, { answer }] of taken.entries()) answer(answers[place]!);
    } catch (error) {
      if (taken.length === 1) taken[0]!.fail(error);
      else await Promise.all(taken.map((each) => this.#answer(key, [each])));
    }
  }
}

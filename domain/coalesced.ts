import { setTimeout as sleep } from 'node:timers/promises';

export interface Gathering<I> {
  /** How many of the first of these may go into one batch, at least one; all, where it is left out. */
  readonly together?: (items: readonly I[]) => number;
  /** For so many milliseconds after a batch nothing is asked, and what comes meanwhile is gathered. */
  readonly restMs?: () => number;
}

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
  readonly #restMs: () => number;
  readonly #waiting = new Map<K, Asked<I, O>[]>();

  /** @param ask answers every item, in order */
  constructor(
    ask: (key: K, items: readonly I[]) => Promise<readonly O[]>,
    { together = (items) => items.length, restMs = () => 0 }: Gathering<I> = {},
  ) {
    this.#ask = ask;
    this.#together = together;
    this.#restMs = restMs;
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
      const restMs = this.#restMs();
      if (restMs > 0) await sleep(restMs);
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

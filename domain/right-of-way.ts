import { setTimeout } from 'node:timers/promises';

/** So many calls within so long: doors are busy. */
const BUSY_CALLS = 20;
const BUSY_WITHIN_MS = 1_000;
/** Storing a call takes 2 to 4 ms where nothing else is done; from here on it waits for something. */
const SLOW_MS = 6;
/** The weight of the newest call in the average. */
const NEWEST = 0.1;
/** Without a call for so long, what calls took says nothing. */
const STALE_MS = 500;
/** A rest is at most so many times as long as the work before it: work has a third of the time, whatever comes. */
const MOST_REST = 2;
const LONGEST_REST_MS = 2_000;
/** Nobody waits longer for his turn, whoever has it. */
const LONGEST_WAIT_MS = 10_000;
const LOOK_EVERY_MS = 20;

/** Time as this file knows it. */
export interface Clock {
  /** Milliseconds since whenever. */
  now(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

const MONOTONIC: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal) => setTimeout(ms, undefined, signal && { signal }),
};

/**
 * Doors go first. Who calls one waits for an answer; nobody waits in the same way for what comes of the call. While the doors
 * of this process are busy, work on what they took is done one at a time, and rests in between as long as calls are
 * stored slowly: each wait is bounded, so that it goes on however long the calls do.
 */
export class RightOfWay {
  readonly #clock: Clock;
  readonly #waited: (ms: number) => void;
  readonly #calls: number[] = [];
  #average = 0;
  #tail: Promise<void> = Promise.resolve();
  #tookMs = 0;

  /** @param waited told how long some work gave way */
  constructor(waited: (ms: number) => void = () => {}, clock: Clock = MONOTONIC) {
    this.#waited = waited;
    this.#clock = clock;
  }

  /** So many calls of a door were stored, which took so long. */
  stored(tookMs: number, calls = 1): void {
    const now = this.#clock.now();
    for (let call = 0; call < calls; call += 1) {
      this.#average += (tookMs - this.#average) * NEWEST;
      this.#calls.push(now);
    }
    this.#calls.splice(0, this.#calls.length - BUSY_CALLS);
  }

  /**
   * Runs work on what doors took, when it is its turn.
   * @param work is told whether it should take no more than it must, because doors are busy.
   */
  async turn<T>(work: (gently: boolean) => Promise<T>): Promise<T> {
    if (!this.isBusy()) return work(false);
    const asked = this.#clock.now();
    const before = this.#tail;
    const ended = Promise.withResolvers<void>();
    this.#tail = ended.promise;
    try {
      await this.#atMost(LONGEST_WAIT_MS, before);
      await this.#rest();
      const began = this.#clock.now();
      this.#waited(began - asked);
      try {
        return await work(this.isBusy());
      } finally {
        this.#tookMs = this.#clock.now() - began;
      }
    } finally {
      ended.resolve();
    }
  }

  async #rest(): Promise<void> {
    const until = this.#clock.now() + Math.min(this.#tookMs * MOST_REST, LONGEST_REST_MS);
    while (this.#clock.now() < until && this.#isSlow()) await this.#clock.sleep(LOOK_EVERY_MS);
  }

  /** Calls come thick. */
  isBusy(): boolean {
    const [first] = this.#calls;
    return this.#calls.length >= BUSY_CALLS && this.#clock.now() - first! < BUSY_WITHIN_MS;
  }

  #isSlow(): boolean {
    return this.#average > SLOW_MS && this.#clock.now() - (this.#calls.at(-1) ?? 0) < STALE_MS;
  }

  async #atMost(ms: number, other: Promise<void>): Promise<void> {
    const enough = new AbortController();
    const tooLong = this.#clock.sleep(ms, enough.signal).catch((error: unknown) => {
      if (!enough.signal.aborted) throw error;
    });
    await Promise.race([other, tooLong]);
    enough.abort();
  }
}

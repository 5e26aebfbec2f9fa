const MINUTE_MS = 60_000;

/** Units by method, as "METHOD path" (https://developers.google.com/workspace/gmail/api/reference/quota). */
const UNITS: readonly (readonly [RegExp, number])[] = [
  [/^POST .*\/messages\/send$/, 100],
  [/^POST .*\/watch$/, 100],
  [/^POST .*\/stop$/, 50],
  [/^POST .*\/messages(\/import)?$/, 25],
  [/^GET .*\/history$/, 2],
  [/^GET .*\/messages/, 5],
];

/** What an account may ask in any minute. */
export class Quota {
  limit: number;
  #spent: { at: number; units: number }[] = [];
  #total = 0;

  constructor(limit = 15_000) {
    this.limit = limit;
  }

  /** All units ever spent. */
  get total(): number {
    return this.#total;
  }

  /** Whether the request is within it. */
  allows(asked: string): boolean {
    const units = UNITS.find(([pattern]) => pattern.test(asked))?.[1] ?? 1;
    const since = Date.now() - MINUTE_MS;
    this.#spent = this.#spent.filter(({ at }) => at > since);
    const inMinute = this.#spent.reduce((sum, { units }) => sum + units, 0);
    if (inMinute + units > this.limit) return false;
    this.#spent.push({ at: Date.now(), units });
    this.#total += units;
    return true;
  }
}

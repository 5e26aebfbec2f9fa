import { setTimeout as sleep } from 'node:timers/promises';

/** What each method costs (https://developers.google.com/workspace/gmail/api/reference/quota). */
export const UNITS = {
  profile: 1,
  labels: 1,
  history: 2,
  list: 5,
  get: 5,
  send: 100,
  watch: 100,
  stop: 50,
} as const;

/** Google grants a user 15,000 units a minute; the rest is left to answers, and to what else the account is used by. */
const UNITS_A_MINUTE = 13_500;
const MINUTE_MS = 60_000;

/** Quota units of one account: what would go beyond a minute's share waits until the minute has moved on. */
export class QuotaBudget {
  readonly #most: number;
  readonly #spent: { readonly at: number; readonly units: number }[] = [];
  #inMinute = 0;

  constructor(unitsAMinute = UNITS_A_MINUTE) {
    this.#most = unitsAMinute;
  }

  async spend(units: number, signal: AbortSignal): Promise<void> {
    for (;;) {
      this.#forget();
      const oldest = this.#spent[0];
      if (!oldest || this.#inMinute + units <= this.#most) break;
      await sleep(Math.max(1, oldest.at + MINUTE_MS - Date.now()), undefined, { signal });
    }
    this.#spent.push({ at: Date.now(), units });
    this.#inMinute += units;
  }

  #forget(): void {
    const since = Date.now() - MINUTE_MS;
    let gone = 0;
    while (gone < this.#spent.length && this.#spent[gone]!.at <= since)
      this.#inMinute -= this.#spent[gone++]!.units;
    this.#spent.splice(0, gone);
  }
}

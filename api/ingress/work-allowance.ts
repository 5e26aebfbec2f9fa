/**
 * Work that strangers may cause: so much a second. What is left over is saved for some seconds; who finds any left may go
 * into debt, so that nothing is too large to be done once.
 */
export class WorkAllowance {
  readonly #perSecond: number;
  readonly #most: number;
  readonly #now: () => number;
  #left: number;
  #at: number;

  constructor(perSecond: number, seconds: number, now: () => number = () => performance.now()) {
    this.#perSecond = perSecond;
    this.#most = perSecond * seconds;
    this.#now = now;
    this.#left = this.#most;
    this.#at = now();
  }

  /** False, and nothing taken, while earlier work is not made up for. */
  take(work: number): boolean {
    const now = this.#now();
    this.#left = Math.min(this.#most, this.#left + ((now - this.#at) / 1000) * this.#perSecond);
    this.#at = now;
    if (this.#left <= 0) return false;
    this.#left -= work;
    return true;
  }
}

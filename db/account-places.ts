import { keptByAccount } from './account-here.ts';
import type { Db } from './connection.ts';
import { freePlace, holdPlace, type AccountRef } from './queries/account-limits.ts';

/** A third of the lease: a holder that lives keeps its place. */
const SIGN_OF_LIFE_MS = 5_000;
/** So long a process hands a place on within itself; then other processes have their chance. */
const HANDED_ON_MS = 1_000;

/** A place at an account that this process has. */
export class HeldPlace {
  readonly #since = performance.now();
  readonly #db: Db;
  readonly #account: AccountRef;
  readonly #holder: string;
  readonly #alive: NodeJS.Timeout;

  /** @param holder whom it was taken for */
  constructor(db: Db, account: AccountRef, holder: string) {
    this.#db = db;
    this.#account = account;
    this.#holder = holder;
    this.#alive = setInterval(() => {
      // A place that is lost is given to another: one request too many, which the vendor answers for itself.
      holdPlace(db, account, holder).catch(() => undefined);
    }, SIGN_OF_LIFE_MS);
  }

  isFresh(): boolean {
    return performance.now() - this.#since < HANDED_ON_MS;
  }

  async free(): Promise<void> {
    clearInterval(this.#alive);
    await freePlace(this.#db, this.#account, this.#holder);
  }
}

/** Somebody in this process who waits for a place. */
export interface Waiter {
  /** A place that another no longer needs. */
  given: HeldPlace | null;
  /** Ends its sleep: it was given a place, or is the first now. */
  wake: () => void;
}

/**
 * Who waits in this process for places at one account, in their order: the first alone looks into the database, and a
 * place that is no longer needed is handed on without it.
 */
export class PlacesHere {
  #waiting: Waiter[] = [];
  #pausedUntil = 0;

  enter(): Waiter {
    const waiter: Waiter = { given: null, wake: () => undefined };
    this.#waiting.push(waiter);
    return waiter;
  }

  isFirst(waiter: Waiter): boolean {
    return this.#waiting[0] === waiter;
  }

  leave(waiter: Waiter): void {
    this.#waiting = this.#waiting.filter((one) => one !== waiter);
    this.#waiting[0]?.wake();
  }

  async giveBack(place: HeldPlace): Promise<void> {
    const next = this.#waiting.find(({ given }) => given === null);
    if (!next || !place.isFresh() || Date.now() < this.#pausedUntil) return place.free();
    next.given = place;
    next.wake();
  }

  /** Nothing is handed on until then. */
  pause(until: Date): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, until.getTime());
  }
}

export const placesHere = keptByAccount(() => new PlacesHere());

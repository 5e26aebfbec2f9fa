import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ProviderFailure } from '../domain/failure.ts';
import type { AccountLimits } from '../providers/contract.ts';
import type { Db } from './connection.ts';
import {
  freePlace,
  holdPlace,
  pauseAccount,
  takePlace,
  type AccountRef,
} from './queries/account-limits.ts';

/** A third of the lease: a holder that lives keeps its place. */
const SIGN_OF_LIFE_MS = 5_000;
const LOOK_AGAIN_MS = 40;
/** A pause that ends within this is waited out; a longer one is told to the caller's own retry. */
const LONGEST_WAIT_MS = 15_000;
/** Between two signs of life of a caller that waits. */
const LONGEST_SLEEP_MS = 2_000;

export interface LimitsDeps {
  readonly db: Db;
  readonly signal: AbortSignal;
  readonly heartbeat?: () => void;
}

/** What all processes together may ask of one account: places and a pause in Postgres, each held for seconds at a time. */
export class StoredLimits implements AccountLimits {
  readonly #deps: LimitsDeps;
  readonly #account: AccountRef;

  constructor(deps: LimitsDeps, account: AccountRef) {
    this.#deps = deps;
    this.#account = account;
  }

  // Properties, as the contract has them: a provider may take one, or spread the whole.
  readonly slot = async <T>(most: number, work: () => Promise<T>): Promise<T> => {
    const holder = randomUUID();
    await this.#wait(most, holder);
    const alive = setInterval(() => {
      // A place that is lost is given to another: one request too many, which the vendor answers for itself.
      holdPlace(this.#deps.db, this.#account, holder).catch(() => undefined);
    }, SIGN_OF_LIFE_MS);
    try {
      return await work();
    } finally {
      clearInterval(alive);
      await freePlace(this.#deps.db, this.#account, holder);
    }
  };

  readonly pause = (until: Date): Promise<void> =>
    pauseAccount(this.#deps.db, this.#account, until);

  /** @throws ProviderFailure `wait` where the account is paused for long */
  async #wait(most: number, holder: string): Promise<void> {
    const { db, signal, heartbeat } = this.#deps;
    for (;;) {
      signal.throwIfAborted();
      const { place, pausedMs } = await takePlace(db, this.#account, most, holder);
      if (place !== null) return;
      if (pausedMs > LONGEST_WAIT_MS) throw pausedFor(pausedMs);
      heartbeat?.();
      const ms = pausedMs > 0 ? pausedMs : LOOK_AGAIN_MS * (0.5 + Math.random());
      await sleep(Math.min(ms, LONGEST_SLEEP_MS), undefined, { signal });
    }
  }
}

function pausedFor(ms: number): ProviderFailure {
  return new ProviderFailure({
    code: 'account.paused',
    class: 'wait',
    message: `The vendor asked for a pause of this account's requests; ${Math.ceil(ms / 1000)} s of it are left.`,
    retryAfterMs: ms,
  });
}

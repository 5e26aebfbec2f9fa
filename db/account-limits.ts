import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ProviderFailure } from '../domain/failure.ts';
import type { AccountLimits } from '../providers/contract.ts';
import { HeldPlace, placesHere, type PlacesHere, type Waiter } from './account-places.ts';
import type { Db } from './connection.ts';
import { pauseAccount, takePlace, type AccountRef } from './queries/account-limits.ts';

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
    const place = await this.#wait(most);
    try {
      return await work();
    } finally {
      await this.#giveBack(place);
    }
  };

  readonly pause = async (until: Date): Promise<void> => {
    this.#here().pause(until);
    await pauseAccount(this.#deps.db, this.#account, until);
  };

  #here(): PlacesHere {
    return placesHere(this.#deps.db, this.#account);
  }

  /** Where it can't be freed now, its lease ends: what was done with it is done all the same. */
  async #giveBack(place: HeldPlace): Promise<void> {
    await this.#here()
      .giveBack(place)
      .catch(() => undefined);
  }

  async #wait(most: number): Promise<HeldPlace> {
    const here = this.#here();
    const me = here.enter();
    try {
      return (await this.#look(here, me, most)) ?? takenFrom(me);
    } finally {
      here.leave(me);
      if (me.given) await this.#giveBack(me.given);
    }
  }

  /**
   * Looks for a place until there is one, or this one is given another's; null then.
   * @throws ProviderFailure `wait` where the account is paused for long
   */
  async #look(here: PlacesHere, me: Waiter, most: number): Promise<HeldPlace | null> {
    const { db, signal, heartbeat } = this.#deps;
    while (me.given === null) {
      signal.throwIfAborted();
      let ms = LONGEST_SLEEP_MS;
      if (here.isFirst(me)) {
        const found = await this.#tryAt(db, most);
        if (typeof found !== 'number') return found;
        if (found > LONGEST_WAIT_MS) throw pausedFor(found);
        ms = found > 0 ? found : LOOK_AGAIN_MS * (0.5 + Math.random());
      }
      heartbeat?.();
      await sleepUnlessWoken(Math.min(ms, LONGEST_SLEEP_MS), me, signal);
    }
    return null;
  }

  /** A place, or for how long the account is paused. */
  async #tryAt(db: Db, most: number): Promise<HeldPlace | number> {
    const holder = randomUUID();
    const { place, pausedMs } = await takePlace(db, this.#account, most, holder);
    return place === null ? pausedMs : new HeldPlace(db, this.#account, holder);
  }
}

/** What another gave it: that ended its look. */
function takenFrom(me: Waiter): HeldPlace {
  const given = me.given!;
  me.given = null;
  return given;
}

async function sleepUnlessWoken(ms: number, me: Waiter, signal: AbortSignal): Promise<void> {
  if (me.given) return;
  const woken = new AbortController();
  me.wake = () => woken.abort();
  try {
    await sleep(ms, undefined, { signal: AbortSignal.any([signal, woken.signal]) });
  } catch (error) {
    if (!woken.signal.aborted) throw error;
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

import { resolveAccounts, type ChannelPlace } from '../../db/queries/channel-resolve.ts';
import { Coalesced } from '../../domain/coalesced.ts';
import type { RightOfWay } from '../../domain/right-of-way.ts';
import type { ApiDeps } from '../deps.ts';

export type AccountPlace = ChannelPlace & { readonly account: string };

/** One statement asks for so many accounts, unless one call alone names more. */
const MOST_ACCOUNTS = 1_000;
/** While doors are busy an answer counts for so long: a call that it is good for might have come as much earlier. */
const KEPT_MS = 100;
const MOST_KEPT = 1_000;

interface Kept {
  readonly until: number;
  readonly places: readonly AccountPlace[];
}

/** Whose channels calls speak of, as it stands when they ask: in a crowd, calls share a statement and its answer. */
export class AccountPlaces {
  readonly #way: RightOfWay;
  readonly #asked: Coalesced<string, readonly string[], readonly AccountPlace[]>;
  /** By provider and accounts. */
  readonly #kept = new Map<string, Kept>();

  constructor({ db, way }: Pick<ApiDeps, 'db' | 'way'>) {
    this.#way = way;
    this.#asked = new Coalesced<string, readonly string[], readonly AccountPlace[]>(
      async (provider, calls) => {
        const places = await resolveAccounts(db, provider, [...new Set(calls.flat())]);
        const byAccount = Map.groupBy(places, ({ account }) => account);
        return calls.map((accounts) => accounts.flatMap((one) => byAccount.get(one) ?? []));
      },
      together,
    );
  }

  /** Channels of these accounts at the vendor, over all tenants: a claim says which, and proves nothing. */
  async of(provider: string, accounts: readonly string[]): Promise<readonly AccountPlace[]> {
    if (accounts.length === 0) return [];
    if (!this.#way.isBusy()) return this.#asked.ask(provider, accounts);
    const key = JSON.stringify([provider, ...accounts]);
    const now = performance.now();
    const kept = this.#kept.get(key);
    if (kept && kept.until > now) return kept.places;
    const places = await this.#asked.ask(provider, accounts);
    if (this.#kept.size >= MOST_KEPT) this.#kept.clear();
    // From when it was asked, and not from the answer.
    if (places.length > 0) this.#kept.set(key, { until: now + KEPT_MS, places });
    return places;
  }
}

function together(calls: readonly (readonly string[])[]): number {
  let count = 0;
  const end = calls.findIndex((accounts, index) => {
    count += accounts.length;
    return index > 0 && count > MOST_ACCOUNTS;
  });
  return end === -1 ? calls.length : end;
}

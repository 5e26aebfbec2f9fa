import { resolveAccounts, type ChannelPlace } from '../../db/queries/channel-resolve.ts';
import { Coalesced } from '../../domain/coalesced.ts';
import type { ApiDeps } from '../deps.ts';

export type AccountPlace = ChannelPlace & { readonly account: string };

/** One statement asks for so many accounts, unless one call alone names more. */
const MOST_ACCOUNTS = 1_000;
/** Between two statements while doors are busy: who comes meanwhile waits as long at most, and shares the next. */
const GATHERING_MS = 15;

/** Whose channels calls speak of, as it stands after they came: in a crowd, calls share a statement. */
export class AccountPlaces {
  readonly #asked: Coalesced<string, readonly string[], readonly AccountPlace[]>;

  constructor({ db, way }: Pick<ApiDeps, 'db' | 'way'>) {
    this.#asked = new Coalesced<string, readonly string[], readonly AccountPlace[]>(
      async (provider, calls) => {
        const places = await resolveAccounts(db, provider, [...new Set(calls.flat())]);
        const byAccount = Map.groupBy(places, ({ account }) => account);
        return calls.map((accounts) => accounts.flatMap((one) => byAccount.get(one) ?? []));
      },
      { together, restMs: () => (way.isBusy() ? GATHERING_MS : 0) },
    );
  }

  /** Channels of these accounts at the vendor, over all tenants: a claim says which, and proves nothing. */
  async of(provider: string, accounts: readonly string[]): Promise<readonly AccountPlace[]> {
    return accounts.length === 0 ? [] : this.#asked.ask(provider, accounts);
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

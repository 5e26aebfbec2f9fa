import type { Db } from './connection.ts';
import type { AccountRef } from './queries/account-limits.ts';

/** What this process keeps of every account that it asks something of, made at the first question; a few bytes each. */
export function keptByAccount<T>(make: () => T): (db: Db, account: AccountRef) => T {
  const everywhere = new WeakMap<Db, Map<string, T>>();
  return (db, { tenantId, account }) => {
    const ofDb = everywhere.get(db) ?? new Map<string, T>();
    everywhere.set(db, ofDb);
    const key = `${tenantId}/${account}`;
    const kept = ofDb.get(key) ?? make();
    ofDb.set(key, kept);
    return kept;
  };
}

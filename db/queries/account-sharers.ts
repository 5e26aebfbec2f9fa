import { inTenant, type Db } from '../connection.ts';
import { resolveAccounts } from './channel-resolve.ts';

/**
 * Settings, without secrets, of the other channels that are not stopped and read this account at the vendor, over all
 * tenants.
 */
export async function accountSharers(
  db: Db,
  { id, provider, account }: { id: string; provider: string; account: string | null },
): Promise<unknown[]> {
  if (account === null) return [];
  const places = await resolveAccounts(db, provider, [account]);
  const sharers: unknown[] = [];
  for (const { tenantId, channelId } of places.filter((place) => place.channelId !== id)) {
    const row = await inTenant(db, tenantId, (tx) =>
      tx
        .selectFrom('channels')
        .select('settings')
        .where('id', '=', channelId)
        .where('desired_state', '!=', 'stopped')
        .executeTakeFirst(),
    );
    if (row) sharers.push(row.settings);
  }
  return sharers;
}

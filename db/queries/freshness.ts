import { sql } from 'kysely';
import { inTenant, type Db } from '../connection.ts';
import type { TenantId } from '../../domain/ids.ts';

export interface Freshness {
  readonly id: string;
  /** The latest request for a sync that has been answered by one. */
  readonly answered: number;
  /** What came in but is not ingested yet. */
  readonly staged: number;
  /** When its latest failure was, as the mailbox says. */
  readonly failedAt: string | null;
}

/** How far the syncs of these channels are, one of each. */
export async function readFreshness(
  db: Db,
  tenantId: TenantId,
  channelIds: readonly string[],
): Promise<Freshness[]> {
  if (channelIds.length === 0) return [];
  return inTenant(db, tenantId, async (tx) => {
    const { rows } = await sql<Freshness>`
      select c.id, c.sync_answered as answered, c.last_error->>'at' as "failedAt",
             (select count(*) from sources where channel_id = c.id and status = 'staged') as staged
        from channels c where c.id = any(${channelIds})`.execute(tx);
    return rows;
  });
}

import { sql } from 'kysely';
import type { TenantId } from '../../domain/ids.ts';
import { inTenant, type Db } from '../connection.ts';
import { Pending } from './outbox.ts';

/** Leaves a nudge for every channel that is not stopped, over all tenants. */
export async function nudgeRunningChannels(db: Db): Promise<Pending[]> {
  const { rows } = await sql<{
    tenant_id: TenantId;
    channel_id: string;
  }>`select * from running_channels()`.execute(db);
  const byTenant = Map.groupBy(rows, (row) => row.tenant_id);
  return Promise.all(
    [...byTenant].map(([tenantId, channels]) =>
      inTenant(db, tenantId, async (tx) => {
        const pending = new Pending(tenantId);
        const known = await tx
          .selectFrom('channels')
          .select(['id', 'provider'])
          .where(
            'id',
            'in',
            channels.map((channel) => channel.channel_id),
          )
          .execute();
        for (const { id, provider } of known) await pending.channel(tx, id, provider, false);
        return pending;
      }),
    ),
  );
}

import { inTenant, type Db } from '../connection.ts';
import type { TenantId } from '../../domain/ids.ts';

export interface Freshness {
  /** Rises with every sync that begins. */
  readonly syncs: number;
  /** What came in but is not ingested yet. */
  readonly staged: number;
  readonly received: number;
}

/** How far the syncs of these channels are. */
export async function readFreshness(
  db: Db,
  tenantId: TenantId,
  channelIds: readonly string[],
): Promise<Freshness> {
  if (channelIds.length === 0) return { syncs: 0, staged: 0, received: 0 };
  return inTenant(db, tenantId, async (tx) => {
    const cursors = await tx
      .selectFrom('channel_cursors')
      .select((eb) => eb.fn.coalesce(eb.fn.sum<string>('fence'), eb.lit(0)).as('syncs'))
      .where('channel_id', 'in', [...channelIds])
      .executeTakeFirstOrThrow();
    const { staged } = await tx
      .selectFrom('sources')
      .select((eb) => eb.fn.countAll<number>().as('staged'))
      .where('channel_id', 'in', [...channelIds])
      .where('status', '=', 'staged')
      .executeTakeFirstOrThrow();
    const channels = await tx
      .selectFrom('channels')
      .select((eb) =>
        eb.fn.coalesce(eb.fn.sum<string>('messages_received'), eb.lit(0)).as('received'),
      )
      .where('id', 'in', [...channelIds])
      .executeTakeFirstOrThrow();
    return {
      syncs: Number(cursors.syncs),
      staged,
      received: Number(channels.received),
    };
  });
}

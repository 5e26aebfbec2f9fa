import type { Selectable } from 'kysely';
import type { TenantId } from '../../domain/ids.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import type { Database } from '../schema.ts';
import { Pending } from './outbox.ts';

/** `missing`: no such source waits. `channel_gone`: its channel was deleted, and nothing would read it. */
export interface StagedAgain {
  readonly outcome: 'staged' | 'missing' | 'channel_gone';
  readonly pending: Pending;
}

type LockedSource = Pick<Selectable<Database['sources']>, 'status' | 'filtered' | 'channel_id'>;

/**
 * Stages a source again and leaves its channel's workflow to be nudged, in one transaction with the source's row locked.
 * @param waits whether it is a source of the kind that is asked for
 * @param stage writes what becomes of it
 */
export async function stageAgain(
  db: Db,
  tenantId: TenantId,
  id: string,
  waits: (source: LockedSource) => boolean,
  stage: (tx: Tx, source: LockedSource) => Promise<void>,
): Promise<StagedAgain> {
  const pending = new Pending(tenantId);
  const outcome = await inTenant(db, tenantId, async (tx) => {
    const source = await tx
      .selectFrom('sources')
      .innerJoin('channels', 'channels.id', 'sources.channel_id')
      .select(['sources.status', 'sources.filtered', 'sources.channel_id'])
      .select(['channels.provider', 'channels.deleted_at'])
      .where('sources.id', '=', id)
      .forUpdate('sources')
      .executeTakeFirst();
    if (!source || !waits(source)) return 'missing';
    if (source.deleted_at !== null) return 'channel_gone';
    await stage(tx, source);
    await pending.channel(tx, source.channel_id, source.provider, false);
    return 'staged';
  });
  return { outcome, pending };
}

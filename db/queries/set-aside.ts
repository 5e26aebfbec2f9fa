import { sql } from 'kysely';
import type { TenantId } from '../../domain/ids.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import { Pending } from './outbox.ts';

export interface SetAsideRow {
  readonly id: string;
  readonly channel_id: string;
  readonly provider_message_id: string | null;
  readonly sha256: Buffer;
  readonly size: number;
  readonly received_at: Date;
  readonly attempts: number;
  readonly error: { readonly type: string; readonly detail: string } | null;
}

const SHOWN = [
  'id',
  'channel_id',
  'provider_message_id',
  'sha256',
  'size',
  'received_at',
  'attempts',
  'error',
] as const;

/** Sources that could not be processed, oldest first. @param after id of the last one shown. */
export async function listSetAside(
  db: Db,
  tenantId: TenantId,
  { after, limit, channelId }: { after: string | null; limit: number; channelId?: string },
): Promise<SetAsideRow[]> {
  return inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('sources')
      .select(SHOWN)
      .where('tenant_id', '=', tenantId)
      .where('status', '=', 'set_aside')
      .$if(channelId !== undefined, (query) => query.where('channel_id', '=', channelId!))
      .$if(after !== null, (query) => query.where('id', '>', after!))
      .orderBy('id')
      .limit(limit)
      .execute(),
  );
}

export async function findSetAside(
  db: Db,
  tenantId: TenantId,
  id: string,
): Promise<SetAsideRow | null> {
  return inTenant(db, tenantId, async (tx) => (await selectSetAside(tx, id)) ?? null);
}

/**
 * Stages a source again and leaves its channel's workflow to be nudged. Without effect where that was done already.
 * `channel_gone`: the channel was deleted, and nothing would read it.
 */
export async function retrySetAside(
  db: Db,
  tenantId: TenantId,
  id: string,
): Promise<{ outcome: 'staged' | 'missing' | 'channel_gone'; pending: Pending }> {
  const pending = new Pending(tenantId);
  const outcome = await inTenant(db, tenantId, async (tx) => {
    const source = await tx
      .selectFrom('sources')
      .innerJoin('channels', 'channels.id', 'sources.channel_id')
      .select(['sources.status', 'sources.channel_id', 'channels.provider', 'channels.deleted_at'])
      .where('sources.id', '=', id)
      .forUpdate('sources')
      .executeTakeFirst();
    if (!source || (source.status !== 'set_aside' && source.status !== 'staged')) return 'missing';
    if (source.deleted_at !== null) return 'channel_gone';
    if (source.status === 'set_aside')
      await tx
        .updateTable('sources')
        .set({ status: 'staged', error: null, attempts: sql`attempts + 1` })
        .where('id', '=', id)
        .execute();
    await pending.channel(tx, source.channel_id, source.provider, false);
    return 'staged';
  });
  return { outcome, pending };
}

/** Gives a source up: its bytes are kept, but it is shown and tried no more. False where it is not set aside. */
export async function discardSetAside(db: Db, tenantId: TenantId, id: string): Promise<boolean> {
  const { numUpdatedRows } = await inTenant(db, tenantId, (tx) =>
    tx
      .updateTable('sources')
      .set({ status: 'filtered' })
      .where('id', '=', id)
      .where('status', '=', 'set_aside')
      .executeTakeFirst(),
  );
  return numUpdatedRows > 0n;
}

function selectSetAside(tx: Tx, id: string): Promise<SetAsideRow | undefined> {
  return tx
    .selectFrom('sources')
    .select(SHOWN)
    .where('id', '=', id)
    .where('status', '=', 'set_aside')
    .executeTakeFirst();
}

import { sql } from 'kysely';
import type { TenantId } from '../../domain/ids.ts';
import type { Filtered } from '../../domain/rules/evaluate.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import type { IngestingChannel, Item } from './ingest-item.ts';
import { Pending } from './outbox.ts';

export interface FilteredItem {
  readonly item: Item;
  readonly filtered: Filtered;
}

/**
 * Keeps mail that a channel's rules turn away: its source stays, with the reason, and is counted. Copies that were taken
 * for duplicates of such a mail share its fate.
 */
export async function keepFiltered(
  tx: Tx,
  channel: IngestingChannel,
  turnedAway: readonly FilteredItem[],
): Promise<void> {
  if (turnedAway.length === 0) return;
  const rows = turnedAway.map(({ item, filtered }) => ({
    id: item.sourceId,
    message_id: item.messageId,
    filtered,
  }));
  const { rows: kept } = await sql<{ id: string }>`
    update sources s set status = 'filtered', filtered = d.filtered, message_id = null, error = null,
        ingested_at = now()
      from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as d(id text, message_id text, filtered jsonb)
     where s.id = d.id or (s.channel_id = ${channel.id} and s.status = 'duplicate' and s.message_id = d.message_id)
    returning s.id`.execute(tx);
  await countFiltered(tx, channel.id, kept.length);
}

export async function countFiltered(tx: Tx, channelId: string, count: number): Promise<void> {
  await tx
    .updateTable('channels')
    .set({ messages_filtered: sql`messages_filtered + ${count}` })
    .where('id', '=', channelId)
    .execute();
}

export interface FilteredRow {
  readonly id: string;
  readonly channel_id: string;
  readonly provider_message_id: string | null;
  readonly sha256: Buffer;
  readonly size: number;
  readonly received_at: Date;
  readonly filtered: Filtered;
}

const SHOWN = [
  'id',
  'channel_id',
  'provider_message_id',
  'sha256',
  'size',
  'received_at',
  'filtered',
] as const;

/** Mail that rules turned away, newest first. @param before id of the last one shown */
export async function listFiltered(
  db: Db,
  tenantId: TenantId,
  { before, limit, channelId }: { before: string | null; limit: number; channelId?: string },
): Promise<FilteredRow[]> {
  const rows = await inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('sources')
      .select(SHOWN)
      .where('tenant_id', '=', tenantId)
      .where('status', '=', 'filtered')
      .where('filtered', 'is not', null)
      .$if(channelId !== undefined, (query) => query.where('channel_id', '=', channelId!))
      .$if(before !== null, (query) => query.where('id', '<', before!))
      .orderBy('id', 'desc')
      .limit(limit)
      .execute(),
  );
  return rows as FilteredRow[]; // keepFiltered wrote it
}

export async function findFiltered(
  db: Db,
  tenantId: TenantId,
  id: string,
): Promise<FilteredRow | null> {
  const row = await inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('sources')
      .select(SHOWN)
      .where('id', '=', id)
      .where('status', '=', 'filtered')
      .where('filtered', 'is not', null)
      .executeTakeFirst(),
  );
  return (row as FilteredRow | undefined) ?? null;
}

/**
 * Stages such a mail again, to be ingested whatever the rules say of taking it, and leaves its channel's workflow to be
 * nudged. `channel_gone`: the channel was deleted, and nothing would read it.
 */
export async function releaseFiltered(
  db: Db,
  tenantId: TenantId,
  id: string,
): Promise<{ outcome: 'staged' | 'missing' | 'channel_gone'; pending: Pending }> {
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
    if (!source || source.status !== 'filtered' || source.filtered === null) return 'missing';
    if (source.deleted_at !== null) return 'channel_gone';
    await tx
      .updateTable('sources')
      .set({
        status: 'staged',
        filtered: null,
        meta: sql<string>`coalesce(meta, '{}'::jsonb) || '{"released": true}'::jsonb`,
      })
      .where('id', '=', id)
      .execute();
    await countFiltered(tx, source.channel_id, -1);
    await pending.channel(tx, source.channel_id, source.provider, false);
    return 'staged';
  });
  return { outcome, pending };
}

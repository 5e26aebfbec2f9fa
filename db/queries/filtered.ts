import { sql } from 'kysely';
import type { TenantId } from '../../domain/ids.ts';
import type { Filtered } from '../../domain/rules/evaluate.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import type { IngestingChannel, Item } from './ingest-item.ts';
import { stageAgain, type StagedAgain } from './stage-again.ts';

export interface FilteredItem {
  readonly item: Item;
  readonly filtered: Filtered;
}

/** Keeps mail that a channel's rules turn away: its source stays, with the reason, and is counted; so are its copies. */
export async function keepFiltered(
  tx: Tx,
  channel: IngestingChannel,
  turnedAway: readonly FilteredItem[],
): Promise<void> {
  if (turnedAway.length === 0) return;
  const rows = turnedAway.flatMap(({ item, filtered }) =>
    [item.sourceId, ...item.copies].map((id) => ({ id, filtered })),
  );
  await sql`
    update sources s set status = 'filtered', filtered = d.filtered, message_id = null, error = null,
        ingested_at = now()
      from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as d(id text, filtered jsonb)
     where s.id = d.id`.execute(tx);
  await countFiltered(tx, channel.id, rows.length);
}

export async function countFiltered(tx: Tx, channelId: string, count: number): Promise<void> {
  await tx
    .updateTable('channels')
    .set({ messages_filtered: sql`messages_filtered + ${count}` })
    .where('id', '=', channelId)
    .execute();
}

/** Counts those of these sources that are stored: a statement to be sent behind what stores them. */
export function countTurnedAway(channelId: string, sourceIds: readonly string[]) {
  return sql`
    update channels set messages_filtered = messages_filtered + stored.count
      from (select count(*) from sources where id = any(${sourceIds})) as stored
     where id = ${channelId} and stored.count > 0`;
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

/** Stages such a mail again, to be ingested whatever the rules say of taking it. */
export async function releaseFiltered(
  db: Db,
  tenantId: TenantId,
  id: string,
): Promise<StagedAgain> {
  return stageAgain(
    db,
    tenantId,
    id,
    ({ status, filtered }) => status === 'filtered' && filtered !== null,
    async (tx, source) => {
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
    },
  );
}

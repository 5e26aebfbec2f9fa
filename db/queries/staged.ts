import type { ChannelId, SourceId, TenantId } from '../../domain/ids.ts';
import type { SourceFacts } from '../../domain/mail/source-notes.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';

export interface StagedSource extends SourceFacts {
  readonly id: SourceId;
  readonly provider_message_id: string | null;
  readonly sha256: Buffer;
  readonly size: number;
  readonly staged_at: Date;
  /** The trace in which it was staged (W3C Trace Context). */
  readonly traceparent: string | null;
}

/** A channel's next staged sources, oldest first: as many as fit `maxBytes`, but one at least. */
export async function stagedSources(
  db: Db,
  tenantId: TenantId,
  channelId: ChannelId,
  { after, limit, maxBytes }: { after: string; limit: number; maxBytes: number },
): Promise<StagedSource[]> {
  const rows = await inTenant(db, tenantId, (tx) =>
    selectSources(tx)
      .where('channel_id', '=', channelId)
      .where('status', '=', 'staged')
      .where('id', '>', after)
      .orderBy('id')
      .limit(limit)
      .execute(),
  );
  let bytes = 0;
  const fitting = rows.findIndex((row) => (bytes += row.size) > maxBytes);
  return (fitting === -1 ? rows : rows.slice(0, Math.max(1, fitting))) as StagedSource[];
}

/** One staged source, and where it stands: null where there is no such source. */
export async function stagedSource(
  db: Db,
  tenantId: TenantId,
  sourceId: SourceId,
): Promise<StagedSource | null> {
  const row = await inTenant(db, tenantId, (tx) =>
    selectSources(tx).where('id', '=', sourceId).where('status', '=', 'staged').executeTakeFirst(),
  );
  return (row as StagedSource | undefined) ?? null;
}

/** A channel's rules as they are now: null where it has none. */
export async function storedRules(
  db: Db,
  tenantId: TenantId,
  channelId: ChannelId,
): Promise<unknown> {
  const row = await inTenant(db, tenantId, (tx) =>
    tx.selectFrom('channels').select('rules').where('id', '=', channelId).executeTakeFirst(),
  );
  return row?.rules ?? null;
}

/** A source of the channel by its own id or by that of the message it became. */
export async function sourceOf(
  db: Db,
  tenantId: TenantId,
  channelId: string,
  id: string,
): Promise<StagedSource | null> {
  const row = await inTenant(db, tenantId, (tx) =>
    selectSources(tx)
      .where('channel_id', '=', channelId)
      .where((eb) =>
        eb.or([
          eb('id', '=', id),
          eb(
            'id',
            'in',
            eb.selectFrom('messages').select('source_id').where('messages.id', '=', id),
          ),
        ]),
      )
      .executeTakeFirst(),
  );
  return (row as StagedSource | undefined) ?? null;
}

function selectSources(tx: Tx) {
  return tx
    .selectFrom('sources')
    .select(['id', 'provider_message_id', 'sha256', 'size', 'envelope', 'meta', 'received_at'])
    .select(['staged_at', 'traceparent']);
}

/** Keeps a source that can't be processed, with its reason, out of the way of those behind it. */
export async function setAside(
  db: Db,
  tenantId: TenantId,
  sourceId: SourceId,
  reason: { type: string; detail: string },
): Promise<void> {
  await inTenant(db, tenantId, (tx) =>
    tx
      .updateTable('sources')
      .set({ status: 'set_aside', error: JSON.stringify(reason) })
      .where('id', '=', sourceId)
      .where('status', '=', 'staged')
      .execute(),
  );
}

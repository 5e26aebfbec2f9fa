import { sql } from 'kysely';
import { newId } from '../../domain/ids.ts';
import type { Tx } from '../connection.ts';
import type { IngestingChannel, Item, ParsedSource } from './ingest-item.ts';
import type { ThreadIndex } from './thread-index.ts';

/** Sources that nobody else has ingested, or is ingesting now. */
export async function lockStaged(tx: Tx, batch: readonly ParsedSource[]): Promise<Item[]> {
  const rows = await tx
    .selectFrom('sources')
    .select('id')
    .where(
      'id',
      'in',
      batch.map((source) => source.sourceId),
    )
    .where('status', '=', 'staged')
    .orderBy('id')
    .forUpdate()
    .skipLocked()
    .execute();
  const free = new Set(rows.map((row) => row.id));
  return batch
    .filter((source) => free.has(source.sourceId))
    .map((source) => ({ ...source, messageId: newId('message'), copies: [] }));
}

/** Leaves out what this channel has already, and our own mail coming back. */
export async function withoutKnown(
  tx: Tx,
  channel: IngestingChannel,
  items: readonly Item[],
): Promise<Item[]> {
  if (items.length === 0) return [];
  const hashes = items.map((item) => Buffer.from(item.mail.contentHash, 'hex'));
  const stored = await tx
    .selectFrom('messages')
    .select(['id', 'message_id', 'content_hash'])
    .where('channel_id', '=', channel.id)
    .where('direction', '=', 'inbound')
    .where('content_hash', 'in', hashes)
    .execute();
  const ownIds = items.flatMap((item) => item.mail.threading.messageId ?? []);
  const own =
    ownIds.length === 0
      ? []
      : await tx
          .selectFrom('messages')
          .select(['id', 'message_id'])
          .where('tenant_id', '=', channel.tenantId)
          .where('direction', '=', 'outbound')
          .where('message_id', 'in', ownIds)
          .execute();
  const known = new Map(
    stored.map((row) => [`${row.message_id ?? ''} ${row.content_hash!.toString('hex')}`, row.id]),
  );
  const sent = new Map(own.map((row) => [row.message_id, row.id]));
  const fresh = new Map<string, Item>();
  const settled: SettledSource[] = [];
  for (const item of items) {
    const key = `${item.mail.threading.messageId ?? ''} ${item.mail.contentHash}`;
    const twin = known.get(key);
    const ours = sent.get(item.mail.threading.messageId);
    if (ours) settled.push({ id: item.sourceId, status: 'filtered', message_id: ours });
    else if (twin) {
      settled.push({ id: item.sourceId, status: 'duplicate', message_id: twin });
      fresh.get(key)?.copies.push(item.sourceId);
    } else {
      known.set(key, item.messageId);
      fresh.set(key, item);
    }
  }
  await settleSources(tx, settled);
  return [...fresh.values()];
}

/** A source that became no message of its own. */
export interface SettledSource {
  readonly id: string;
  readonly status: 'ingested' | 'duplicate' | 'filtered';
  /** The message that it repeats, or marks. */
  readonly message_id: string;
}

export async function settleSources(tx: Tx, settled: readonly SettledSource[]): Promise<void> {
  if (settled.length === 0) return;
  await sql`update sources s set status = d.status, message_id = d.message_id, ingested_at = now(), error = null
    from jsonb_to_recordset(${JSON.stringify(settled)}::jsonb) as d(id text, status text, message_id text)
    where s.id = d.id`.execute(tx);
}

/** Leaves out what we sent ourselves and a forwarder, a list or a sent folder brought back. */
export async function withoutOwn(
  tx: Tx,
  items: readonly Item[],
  index: ThreadIndex,
  now: Date,
): Promise<Item[]> {
  const own = items.filter((item) => index.isOurOwn(item.mail));
  if (own.length > 0) {
    await tx
      .updateTable('sources')
      .set({ status: 'filtered', ingested_at: now })
      .where(
        'id',
        'in',
        own.map((item) => item.sourceId),
      )
      .execute();
  }
  return items.filter((item) => !own.includes(item));
}

/** Sources leave `staged` in the transaction that stored their messages. */
export async function finishSources(
  tx: Tx,
  channel: IngestingChannel,
  items: readonly Item[],
  now: Date,
): Promise<void> {
  const done = items.map((item) => ({ id: item.sourceId, message_id: item.messageId }));
  await sql`update sources s set status = 'ingested', message_id = d.message_id, ingested_at = now(), error = null
    from jsonb_to_recordset(${JSON.stringify(done)}::jsonb) as d(id text, message_id text) where s.id = d.id`.execute(
    tx,
  );
  await tx
    .updateTable('channels')
    .set({
      messages_received: sql`messages_received + ${items.length}`,
      last_message_at: now,
    })
    .where('id', '=', channel.id)
    .execute();
}

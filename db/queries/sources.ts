import { sql, type RawBuilder } from 'kysely';
import { newId, type ChannelId, type SourceId, type TenantId } from '../../domain/ids.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import { atOnce, type Statement } from '../tenant-dialect.ts';
import { blobInsertions, measured, type StoredBlob } from './blobs.ts';
import { countTurnedAway } from './filtered.ts';
import { asBytea, insertion } from './insert-rows.ts';
import { Pending, type Nudge } from './outbox.ts';

/** What a door or a mailbox brings, before anything has parsed it. */
export interface Receipt {
  /** The bytes, or where `putBlob` already put them. */
  readonly source: Buffer | StoredBlob;
  readonly providerMessageId: string | null;
  readonly receivedAt: Date;
  readonly envelope?: { readonly from: string | null; readonly to: readonly string[] };
  readonly meta?: Readonly<Record<string, unknown>>;
  /** Why its door turns it away: it is kept in the journal, and never ingested. */
  readonly turnedAway?: string;
}

export interface Staged {
  /** One per receipt, in their order; a redelivery gets the id of its first receipt. */
  readonly sourceIds: SourceId[];
  /** The receipts that were not known before, by source id. */
  readonly fresh: ReadonlySet<SourceId>;
}

/** Where mail for an address goes, or null; addresses are unique over the installation. */
export async function resolveAddress(
  db: Db,
  address: string,
): Promise<{ tenantId: TenantId; channelId: ChannelId } | null> {
  const { rows } = await sql<{ tenant_id: TenantId; channel_id: ChannelId }>`
    select * from resolve_address(${address.toLowerCase()})`.execute(db);
  return rows[0] ? { tenantId: rows[0].tenant_id, channelId: rows[0].channel_id } : null;
}

/**
 * Stores one receipt of a door and leaves its channel's workflow to be nudged: after this returns the sender may be
 * told yes. Follow with `relay.flush(pending)`.
 */
export async function stageSource(
  db: Db,
  channel: { tenantId: TenantId; id: ChannelId; provider: string },
  receipt: Receipt,
): Promise<{ sourceId: SourceId; pending: Pending }> {
  const pending = new Pending(channel.tenantId);
  const nudging = (isNew: RawBuilder<boolean>) =>
    pending.nudge(channel.id, channel.provider, isNew);
  const { sourceIds } = await inTenant(db, channel.tenantId, (tx) =>
    stage(tx, staging(tx, channel, [receipt], nudging)),
  );
  return { sourceId: sourceIds[0]!, pending };
}

/** Stores receipts in the caller's transaction: bytes once per content, one source row per receipt. */
export async function stageReceipts(
  tx: Tx,
  tenantId: TenantId,
  channelId: ChannelId,
  receipts: readonly Receipt[],
): Promise<Staged> {
  return stage(tx, staging(tx, { tenantId, id: channelId }, receipts));
}

async function stage(tx: Tx, { rows, statements, taken }: Staging): Promise<Staged> {
  if (rows.length === 0) return { sourceIds: [], fresh: new Set() };
  const fresh = taken(await atOnce(tx, statements));
  const known = await knownIds(
    tx,
    rows[0]!.channel_id,
    rows.filter((row) => !fresh.has(row.id)).map((row) => row.provider_message_id!),
  );
  return {
    sourceIds: rows.map((row) =>
      fresh.has(row.id) ? row.id : known.get(row.provider_message_id!)!,
    ),
    fresh,
  };
}

/** What is to be run to store receipts. */
export interface Staging {
  readonly rows: readonly SourceRow[];
  readonly statements: readonly Statement<unknown>[];
  /** Takes the rows that each statement answered. Returns which receipts were not known before. */
  readonly taken: (answers: readonly unknown[][]) => ReadonlySet<SourceId>;
}

/**
 * The statements that store receipts, none of which needs another's answer. Redeliveries leave no trace.
 * @param nudging how the channel's workflow is told, where there is something new for it
 */
export function staging(
  db: Db,
  channel: { tenantId: TenantId; id: ChannelId },
  receipts: readonly Receipt[],
  nudging?: (isNew: RawBuilder<boolean>) => Nudge,
): Staging {
  if (receipts.length === 0) return { rows: [], statements: [], taken: () => new Set() };
  const blobs = receipts.map(({ source }): StoredBlob & { bytes?: Buffer } =>
    Buffer.isBuffer(source) ? measured({ bytes: source }) : source,
  );
  const rows = receipts.map((receipt, index) => sourceRow(channel, receipt, blobs[index]!));
  const idsOf = (status: string) => rows.flatMap((row) => (row.status === status ? [row.id] : []));
  const turnedAway = idsOf('filtered');
  const nudge = nudging?.(sql`exists (select from sources where id = any(${idsOf('staged')}))`);
  const inMemory = blobs.flatMap(({ bytes, ...blob }) => (bytes ? [{ ...blob, bytes }] : []));
  const insert = insertion<{ id: SourceId }>(
    'sources',
    rows.toSorted(byProviderId),
    sql`on conflict (channel_id, provider_message_id) where provider_message_id is not null do nothing
      returning id`,
  );
  // The channel's row is locked before its nudge, as everywhere.
  const statements = [
    ...blobInsertions(db, channel.tenantId, inMemory),
    insert,
    ...(turnedAway.length > 0 ? [countTurnedAway(channel.id, turnedAway)] : []),
    ...(nudge ? [nudge.statement] : []),
  ];
  return {
    rows,
    statements,
    taken(answers) {
      nudge?.taken(answers.at(-1) as { version: number }[]); // it is the last
      const inserted = answers[statements.indexOf(insert)] as { id: SourceId }[]; // as it returns them
      return new Set(inserted.map(({ id }) => id));
    },
  };
}

type SourceRow = ReturnType<typeof sourceRow>;

/** Two who store the same receipts wait for each other in one order, and never in a circle. */
function byProviderId(one: SourceRow, other: SourceRow): number {
  const [a, b] = [one.provider_message_id ?? '', other.provider_message_id ?? ''];
  return a < b ? -1 : a > b ? 1 : 0;
}

function sourceRow(
  channel: { tenantId: TenantId; id: ChannelId },
  { providerMessageId, envelope, meta, receivedAt, turnedAway }: Receipt,
  { sha256, size }: StoredBlob,
) {
  return {
    id: newId('source'),
    tenant_id: channel.tenantId,
    channel_id: channel.id,
    provider_message_id: providerMessageId,
    sha256: asBytea(sha256),
    size,
    envelope: envelope ?? null,
    meta: meta ?? null,
    received_at: receivedAt,
    status: turnedAway === undefined ? 'staged' : 'filtered',
    filtered: turnedAway === undefined ? null : { by: 'door', detail: turnedAway },
  };
}

/** Which of these ids the channel has stored; by the unique index, 1,000 in a few milliseconds. */
export async function knownProviderIds(
  db: Db,
  tenantId: TenantId,
  channelId: ChannelId,
  providerIds: readonly string[],
): Promise<ReadonlySet<string>> {
  const known = await inTenant(db, tenantId, (tx) => knownIds(tx, channelId, providerIds));
  return new Set(known.keys());
}

async function knownIds(
  tx: Tx,
  channelId: ChannelId,
  providerIds: readonly string[],
): Promise<Map<string, SourceId>> {
  if (providerIds.length === 0) return new Map();
  const rows = await tx
    .selectFrom('sources')
    .select(['id', 'provider_message_id'])
    .where('channel_id', '=', channelId)
    .where('provider_message_id', 'in', [...providerIds])
    .execute();
  return new Map(rows.map((row) => [row.provider_message_id!, row.id as SourceId]));
}

/** A holder of a cursor; a stale one finds that its fence no longer fits. */
export interface CursorLease {
  readonly folder: string;
  readonly fence: number;
  readonly cursor: unknown;
}

/** Another worker took the cursor over while this one was away. */
export class LeaseLost extends Error {
  override name = 'LeaseLost';
}

/** Takes a folder's cursor; the previous holder, if any, can no longer move it. */
export async function acquireCursor(
  db: Db,
  tenantId: TenantId,
  channelId: ChannelId,
  folder: string,
): Promise<CursorLease> {
  const row = await inTenant(db, tenantId, (tx) =>
    tx
      .insertInto('channel_cursors')
      .values({ tenant_id: tenantId, channel_id: channelId, folder, fence: 1 })
      .onConflict((oc) =>
        oc.columns(['channel_id', 'folder']).doUpdateSet({ fence: sql`channel_cursors.fence + 1` }),
      )
      .returning(['fence', 'cursor'])
      .executeTakeFirstOrThrow(),
  );
  return { folder, fence: row.fence, cursor: row.cursor };
}

/** Moves the cursor in the transaction that stored what it passed. @throws LeaseLost */
export async function advanceCursor(
  tx: Tx,
  channelId: ChannelId,
  lease: CursorLease,
  cursor: unknown,
): Promise<void> {
  const { numUpdatedRows } = await tx
    .updateTable('channel_cursors')
    .set({ cursor: JSON.stringify(cursor) })
    .where('channel_id', '=', channelId)
    .where('folder', '=', lease.folder)
    .where('fence', '=', lease.fence)
    .executeTakeFirst();
  if (numUpdatedRows === 0n)
    throw new LeaseLost(`Another worker reads folder "${lease.folder}" now.`);
}

/** Where a folder's reading stands, without taking it over. */
export async function readCursor(
  db: Db,
  tenantId: TenantId,
  channelId: ChannelId,
  folder: string,
): Promise<unknown> {
  const row = await inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('channel_cursors')
      .select('cursor')
      .where('channel_id', '=', channelId)
      .where('folder', '=', folder)
      .executeTakeFirst(),
  );
  return row?.cursor ?? null;
}

import { sql } from 'kysely';
import type { ChannelId, TenantId } from '../../domain/ids.ts';
import { inTenant, type Db } from '../connection.ts';
import type { ChannelPlace } from './channel-resolve.ts';
import type { ChannelRow } from './channels.ts';

// By what a shared door tells whose call it may be that names no account of ours.

/** Keyed hashes of secrets that stand in a channel's settings; never the words themselves. */
export interface DoorHashes {
  /** The key of the ring that they were made with. */
  readonly keyId: string;
  readonly word: Buffer | null;
  readonly signer: Buffer | null;
  /** As it is: what the account belongs to together with others. */
  readonly group: string | null;
}

/** As a channel's row holds them; a provider without them has none. */
export function doorColumns(hashes: DoorHashes | null) {
  return {
    door_key_id: hashes?.keyId ?? null,
    door_word: hashes?.word ?? null,
    door_signer: hashes?.signer ?? null,
    door_group: hashes?.group ?? null,
  };
}

interface PlaceRow {
  readonly tenant_id: TenantId;
  readonly channel_id: ChannelId;
  readonly version: number;
}

/** Channels that wait for this word, over all tenants, the newest first; stopped ones don't. @param hashes of the word, by any key */
export async function channelsOfWord(
  db: Db,
  provider: string,
  hashes: readonly Buffer[],
): Promise<ChannelPlace[]> {
  const { rows } = await sql<PlaceRow>`
    select tenant_id, channel_id, version from door_channels_of_word(${provider}, ${hashes})`.execute(
    db,
  );
  return rows.map(placeOf);
}

/** One channel for each app that signs calls, over all tenants: its newest. */
export async function doorSigners(
  db: Db,
  provider: string,
  atMost: number,
): Promise<ChannelPlace[]> {
  const { rows } = await sql<PlaceRow>`
    select tenant_id, channel_id, version from door_signers(${provider}, ${atMost})`.execute(db);
  return rows.map(placeOf);
}

function placeOf(row: PlaceRow): ChannelPlace {
  return { tenantId: row.tenant_id, channelId: row.channel_id, version: row.version };
}

/** Channels of these providers whose hashes are missing, or of another key, in the order of their ids. */
export async function channelsWithoutDoorKeys(
  db: Db,
  providers: readonly string[],
  keyId: string,
  { after, limit }: { after: string; limit: number },
): Promise<{ tenantId: TenantId; channelId: ChannelId }[]> {
  const { rows } = await sql<{ tenant_id: TenantId; channel_id: ChannelId }>`
    select tenant_id, channel_id
      from channels_without_door_keys(${providers}, ${keyId}, ${after}, ${limit})`.execute(db);
  return rows.map((row) => ({ tenantId: row.tenant_id, channelId: row.channel_id }));
}

type Keyless = Pick<ChannelRow, 'id' | 'provider' | 'settings' | 'secrets'>;

/**
 * Writes the hashes of some of a tenant's channels, each as it stands in that moment; one that somebody else has in hand
 * is left to them, or to the next turn.
 * @param hashesOf null where they can't be told
 */
export async function keepDoorKeys(
  db: Db,
  tenantId: TenantId,
  channelIds: readonly ChannelId[],
  hashesOf: (channel: Keyless) => DoorHashes | null,
): Promise<void> {
  await inTenant(db, tenantId, async (tx) => {
    const rows = await tx
      .selectFrom('channels')
      .select(['id', 'provider', 'settings', 'secrets'])
      .where('id', 'in', channelIds)
      .where('deleted_at', 'is', null)
      .forUpdate()
      .skipLocked()
      .execute();
    for (const row of rows) {
      const hashes = hashesOf(row);
      if (!hashes) continue;
      await tx.updateTable('channels').set(doorColumns(hashes)).where('id', '=', row.id).execute();
    }
  });
}

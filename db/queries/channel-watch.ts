import { sql } from 'kysely';
import { inTenant, type Db, type Tx } from '../connection.ts';
import type { ChannelRef } from './channel-tokens.ts';

/** A subscription is about to be asked for: from here on there may be one to end, whatever becomes of the answer. */
export async function noteRenewal(db: Db, { tenantId, id }: ChannelRef): Promise<void> {
  await inTenant(db, tenantId, (tx) =>
    tx
      .updateTable('channels')
      .set({ watch_renewed_at: sql<Date>`coalesce(watch_renewed_at, now())` })
      .where('id', '=', id)
      .execute(),
  );
}

export interface KeptWatch {
  /** What the provider wants to be given next time. */
  readonly state: unknown;
  readonly renewedAt: Date;
  readonly expiresAt: Date;
}

/** Keeps what a renewal brought; null: there is none any more. */
export async function keepWatch(
  db: Db,
  { tenantId, id }: ChannelRef,
  watch: KeptWatch | null,
): Promise<void> {
  await inTenant(db, tenantId, (tx) =>
    tx
      .updateTable('channels')
      .set({
        watch: watch ? JSON.stringify(watch.state ?? null) : null,
        watch_renewed_at: watch?.renewedAt ?? null,
        watch_expires_at: watch?.expiresAt ?? null,
      })
      .where('id', '=', id)
      .execute(),
  );
}

/** The subscription is ended, or given up: a deleted channel's credentials were kept for that alone. */
export async function endWatch(db: Db, { tenantId, id }: ChannelRef): Promise<void> {
  await keepWatch(db, { tenantId, id }, null);
  await inTenant(db, tenantId, async (tx) => {
    const deleted = await tx
      .selectFrom('channels')
      .select('id')
      .where('id', '=', id)
      .where('deleted_at', 'is not', null)
      .executeTakeFirst();
    if (deleted) await forgetCredentials(tx, id);
  });
}

export async function forgetCredentials(tx: Tx, channelId: string): Promise<void> {
  await tx.updateTable('channels').set({ secrets: null }).where('id', '=', channelId).execute();
  await tx.deleteFrom('channel_tokens').where('channel_id', '=', channelId).execute();
}

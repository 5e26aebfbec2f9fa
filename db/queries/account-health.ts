import { sql } from 'kysely';
import { healthChanges, type AccountHealth } from '../../domain/account-health.ts';
import type { ChannelId, TenantId } from '../../domain/ids.ts';
import { inTenant, type Db } from '../connection.ts';
import { writeEvents } from './events.ts';
import { Pending } from './outbox.ts';
import { dueAfterReading } from './read-again.ts';

const TRIED_AGAIN_AFTER = '1 hour';

interface Channel {
  readonly tenantId: TenantId;
  readonly id: ChannelId;
}

/** Takes it on to read how the account stands, where that is due; what isn't finished is due again soon. */
export async function claimHealth(db: Db, { tenantId, id }: Channel): Promise<boolean> {
  const { numUpdatedRows } = await inTenant(db, tenantId, (tx) =>
    tx
      .updateTable('channels')
      .set({ health_due_at: sql<Date>`now() + ${TRIED_AGAIN_AFTER}::interval` })
      .where('id', '=', id)
      .where(sql<boolean>`coalesce(health_due_at, '-infinity') <= now()`)
      .executeTakeFirst(),
  );
  return numUpdatedRows > 0n;
}

/**
 * Keeps what an account's vendor tells, and raises `channel.health_changed` where it has become another.
 * @param account whose health it is: nothing is kept where the channel has another by now
 */
export async function storeHealth(
  db: Db,
  { tenantId, id }: Channel,
  account: string | null,
  health: AccountHealth,
): Promise<Pending> {
  const pending = new Pending(tenantId);
  await inTenant(db, tenantId, async (tx) => {
    const before = await tx
      .selectFrom('channels')
      .select(['name', 'provider', 'state', 'detail', 'health'])
      .where('id', '=', id)
      .where('account', 'is not distinct from', account)
      .forUpdate()
      .executeTakeFirst();
    if (!before) return;
    await tx
      .updateTable('channels')
      .set({
        health: JSON.stringify(health),
        health_read_at: sql<Date>`now()`,
        health_due_at: dueAfterReading('health_due_at'),
      })
      .where('id', '=', id)
      .execute();
    const { health: former, ...shown } = before;
    const changes = healthChanges(former, health);
    if (Object.keys(changes).length === 0) return;
    const data = { channel: { id, ...shown }, health, changes };
    await writeEvents(tx, pending, [
      { type: 'channel.health_changed', ticketId: null, sequence: null, data },
    ]);
  });
  return pending;
}

/** Of an account that the channel has no more: asked for anew. */
export const UNREAD_HEALTH = { health: null, health_read_at: null, health_due_at: null } as const;

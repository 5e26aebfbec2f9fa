import { sql } from 'kysely';
import type { Tx } from '../connection.ts';

/** A live channel as an admin wrote it, without its secrets; null where it is gone. */
export async function channelSettings(
  tx: Tx,
  id: string,
): Promise<{
  id: string;
  provider: string;
  name: string;
  address: string | null;
  settings: Record<string, unknown>;
  /** By an admin: nothing goes out. */
  isStopped: boolean;
} | null> {
  const row = await tx
    .selectFrom('channels')
    .select(['id', 'provider', 'name', 'address', 'settings'])
    .select(sql<boolean>`desired_state = 'stopped'`.as('isStopped'))
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  return row ?? null;
}

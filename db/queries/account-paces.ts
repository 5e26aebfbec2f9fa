import { sql } from 'kysely';
import { inTenant, type Db } from '../connection.ts';
import type { AccountRef } from './account-limits.ts';

/**
 * Takes the account's next turns, which follow each other at `everyMs`, over all processes.
 * @returns milliseconds until the last of them; null, and none is taken, where that is more than `mostMs` away
 */
export async function takeTurns(
  db: Db,
  { tenantId, account }: AccountRef,
  turns: number,
  everyMs: number,
  mostMs: number,
): Promise<number | null> {
  const ms = (milliseconds: number) => sql`${milliseconds} * interval '1 millisecond'`;
  const { rows } = await inTenant(db, tenantId, (tx) =>
    sql<{ ms: number }>`
      insert into account_paces as p (tenant_id, account, next_at)
        values (${tenantId}, ${account}, clock_timestamp() + ${ms(turns * everyMs)})
      on conflict (tenant_id, account) do update
        set next_at = greatest(p.next_at, clock_timestamp()) + ${ms(turns * everyMs)}
        where p.next_at <= clock_timestamp() + ${ms(mostMs)}
      returning extract(epoch from next_at - clock_timestamp())::float8 * 1000 as ms`.execute(tx),
  );
  return rows[0] ? Math.max(0, rows[0].ms - everyMs) : null;
}

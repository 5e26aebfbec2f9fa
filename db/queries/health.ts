import { sql } from 'kysely';
import type { Db } from '../connection.ts';

/**
 * Asks the database to write to its disk: a sort that does not fit its memory, which leaves no row and no log behind.
 * A full disk shows in it before anything else. @throws the connection's error, or code 53100 (disk_full).
 */
export async function proveStorage(db: Db): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await sql`set local work_mem = '64kB'`.execute(tx);
    await sql`select from (select md5(n::text) as hash from generate_series(1, 4000) as n) as spilled
      order by hash offset 4000`.execute(tx);
  });
}

import { sql } from 'kysely';
import type { Db } from '../connection.ts';

/** Asks the database for a sign of life. @throws the connection's error. */
export async function pingDatabase(db: Db): Promise<void> {
  await sql`select 1`.execute(db);
}

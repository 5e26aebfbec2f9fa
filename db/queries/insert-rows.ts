import { sql, type RawBuilder } from 'kysely';
import type { Tx } from '../connection.ts';
import type { Database } from '../schema.ts';

/**
 * Inserts many rows at once: they travel as one JSON text, so that the statement is the same however many they are.
 * Every row has the same keys, which are columns; bytes are given by `asBytea`, a jsonb column's value as it is.
 * @param more what follows the rows: `on conflict …`, `returning …`
 */
export async function insertRows<Returned = never>(
  tx: Tx,
  table: keyof Database,
  rows: readonly Readonly<Record<string, unknown>>[],
  more: RawBuilder<unknown> = sql``,
): Promise<Returned[]> {
  if (rows.length === 0) return [];
  const columns = sql.join(Object.keys(rows[0]!).map((column) => sql.ref(column)));
  const result = await sql<Returned>`insert into ${sql.table(table)} (${columns})
    select ${columns} from json_populate_recordset(null::${sql.table(table)}, ${JSON.stringify(rows)}::json) ${more}`.execute(
    tx,
  );
  return result.rows;
}

/** Bytes as Postgres reads them from text. */
export function asBytea(bytes: Buffer): string {
  return `\\x${bytes.toString('hex')}`;
}

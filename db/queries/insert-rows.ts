import { sql, type RawBuilder } from 'kysely';
import type { Tx } from '../connection.ts';
import type { Database } from '../schema.ts';

type Row = Readonly<Record<string, unknown>>;

/**
 * Inserts many rows at once: they travel as one JSON text, so that the statement is the same however many they are.
 * Every row has the same keys, which are columns; bytes are given by `asBytea`, a jsonb column's value as it is.
 * @param more what follows the rows: `on conflict …`, `returning …`
 */
export async function insertRows<Returned = never>(
  tx: Tx,
  table: keyof Database,
  rows: readonly Row[],
  more?: RawBuilder<unknown>,
): Promise<Returned[]> {
  if (rows.length === 0) return [];
  return (await insertion<Returned>(table, rows, more).execute(tx)).rows;
}

/** The statement of `insertRows`, to be sent with others. There is at least one row. */
export function insertion<Returned = never>(
  table: keyof Database,
  rows: readonly Row[],
  more: RawBuilder<unknown> = sql``,
): RawBuilder<Returned> {
  const columns = sql.join(Object.keys(rows[0]!).map((column) => sql.ref(column)));
  return sql<Returned>`insert into ${sql.table(table)} (${columns})
    select ${columns} from json_populate_recordset(null::${sql.table(table)}, ${JSON.stringify(rows)}::json) ${more}`;
}

/** Bytes as Postgres reads them from text. */
export function asBytea(bytes: Buffer): string {
  return `\\x${bytes.toString('hex')}`;
}

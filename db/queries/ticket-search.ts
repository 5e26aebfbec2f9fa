import { sql, type RawBuilder } from 'kysely';

/** Characters of one text that a search finds a ticket by. */
const TEXT_LIMIT = 50_000;
/** Bytes of index per ticket: a tsvector of a megabyte is refused by Postgres. */
const INDEX_LIMIT = 500_000;

/** The index of a new ticket. The words are taken as written, since mail comes in every language. */
export function searchVector(number: number, subject: string, text: string): RawBuilder<string> {
  return sql`setweight(to_tsvector('simple', ${`${number} ${clean(subject)}`}), 'A') || to_tsvector('simple', ${clean(text)})`;
}

/** `column` with the words of `text` (an SQL expression) added, as long as there is room. */
export function searchWith(column: RawBuilder<unknown>, text: RawBuilder<unknown>) {
  return sql`case when coalesce(${text}, '') = '' or octet_length(${column}::text) > ${INDEX_LIMIT}
    then ${column} else ${column} || to_tsvector('simple', ${text}) end`;
}

/** What Postgres can index: bounded, and without the NUL that it refuses. */
export function clean(text: string): string {
  return text.slice(0, TEXT_LIMIT).replaceAll('\0', ' ');
}

import { sql, type RawBuilder } from 'kysely';

/** A tsvector holds a megabyte at most; what is said beyond this many characters is not searched. */
const SEARCHED_CHARACTERS = 20_000;

/** What full-text search finds a ticket by: its subject first, then people, then what was said. */
export function searchVector(parts: {
  subject?: string | null;
  people?: readonly string[];
  text?: string | null;
}): RawBuilder<string> {
  const people = (parts.people ?? []).join(' ');
  const text = (parts.text ?? '').slice(0, SEARCHED_CHARACTERS);
  return sql<string>`(setweight(to_tsvector('simple', ${parts.subject ?? ''}), 'A') || setweight(to_tsvector('simple', ${people}), 'B') || setweight(to_tsvector('simple', ${text}), 'C'))`;
}

import { sql, type RawBuilder } from 'kysely';
import type { NormalizedMessage } from '../../domain/message.ts';
import type { Tx } from '../connection.ts';

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

/** What a search finds a ticket by, of one message that came in. */
export function receivedText(message: Pick<NormalizedMessage, 'sender' | 'new_content'>): string {
  return `${message.sender?.name ?? ''} ${message.sender?.address ?? ''} ${message.new_content}`;
}

/** Makes a ticket's index anew of its number, subject and messages, as they are by now. */
export async function rebuildSearch(tx: Tx, ticketId: string): Promise<void> {
  const ticket = await tx
    .selectFrom('tickets')
    .select(['number', 'subject'])
    .where('id', '=', ticketId)
    // What is said meanwhile waits, and is added afterwards.
    .forUpdate()
    .executeTakeFirst();
  if (!ticket) return;
  const messages = await tx
    .selectFrom('messages')
    .select(['direction', 'body'])
    .where('ticket_id', '=', ticketId)
    .orderBy('id')
    .execute();
  const [first = '', ...others] = messages.map(({ direction, body }) => {
    const message = body as unknown as NormalizedMessage; // what ingestion or an agent's command wrote
    return direction === 'inbound' ? receivedText(message) : message.content;
  });
  const start = searchVector(ticket.number, ticket.subject, first);
  await sql`update tickets set search = ${start} where id = ${ticketId}`.execute(tx);
  for (const text of others)
    await sql`update tickets set search = ${searchWith(sql`search`, sql`${clean(text)}::text`)} where id = ${ticketId}`.execute(
      tx,
    );
}

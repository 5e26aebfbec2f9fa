import { sql } from 'kysely';

const READ_AGAIN_AFTER = '1 day';

/**
 * When what has just been read of a channel's account is read again. The claim has moved it ahead: where it is due all the
 * same, there was news while it was being read.
 */
export function dueAfterReading(column: 'templates_due_at' | 'health_due_at') {
  const due = sql.ref(column);
  return sql<Date>`case when ${due} <= clock_timestamp() then ${due} else now() + ${READ_AGAIN_AFTER}::interval end`;
}

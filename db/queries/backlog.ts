import { sql } from 'kysely';
import type { Db } from '../connection.ts';

/** What waits, over all tenants; ages in seconds, 0 where nothing waits. */
export interface Backlog {
  readonly staged: number;
  /** Of the oldest whose channel runs. */
  readonly staged_age: number;
  readonly set_aside: number;
  readonly outbox: number;
  readonly outbox_age: number;
  readonly deliveries: number;
  /** Pending, and nobody is at work on them. */
  readonly deliveries_overdue: number;
  readonly deliveries_age: number;
  /** Answers to customers that have not gone out. */
  readonly answers: number;
  readonly channels: readonly { readonly state: string; readonly channels: number }[];
}

export async function readBacklog(db: Db): Promise<Backlog> {
  const [counts, channels] = await Promise.all([
    sql<Omit<Backlog, 'channels'>>`select * from backlog()`.execute(db),
    sql<Backlog['channels'][number]>`select * from channel_states()`.execute(db),
  ]);
  return { ...counts.rows[0]!, channels: channels.rows };
}

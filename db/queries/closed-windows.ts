import { sql } from 'kysely';
import type { Tx } from '../connection.ts';

/** Whether a message failed because its vendor has the window closed, whatever we believed. */
export function isWindowClosed(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown }; // as failures are kept
  return typeof code === 'string' && code.endsWith('.window_closed');
}

/** From now on their conversations' windows are closed, unless the customer has written since. */
export async function closeWindows(tx: Tx, messageIds: readonly string[]): Promise<void> {
  if (messageIds.length === 0) return;
  // Apart, since row-level security lets what is told from a body lead to no index.
  await sql`
    with sent as materialized (
      select channel_id, body->'to'->0->>'address' as address, coalesce(transmitted_at, timestamp) as at
        from messages where id = any(${messageIds}))
    update conversations c set window_ends_at = now()
      from sent
     where c.channel_id = sent.channel_id and c.address = sent.address and c.window_ends_at > now()
       and coalesce(c.last_inbound_at <= sent.at, true)`.execute(tx);
}

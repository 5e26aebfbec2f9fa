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
  await sql`
    update conversations c set window_ends_at = now()
      from messages m
     where m.id = any(${messageIds}) and c.channel_id = m.channel_id
       and c.address = m.body->'to'->0->>'address' and c.window_ends_at > now()
       and coalesce(c.last_inbound_at <= coalesce(m.transmitted_at, m.timestamp), true)`.execute(
    tx,
  );
}

import type { TicketRules } from '../../domain/ticket-lifecycle.ts';
import type { Tx } from '../connection.ts';
import type { IngestingChannel, Item } from './ingest-item.ts';
import type { Pending } from './outbox.ts';

/** What parts of a batch are taken in with. */
export interface IngestContext {
  readonly tx: Tx;
  readonly pending: Pending;
  readonly channel: IngestingChannel;
  readonly rules: TicketRules;
  readonly now: Date;
}

/** How long a source waits for what it speaks of; vendors' calls overtake each other, and our own records. */
const WAITS_MS = 15 * 60_000;

export function mayWait({ mail }: Item, now: Date): boolean {
  return now.getTime() - Date.parse(mail.message.received_at) < WAITS_MS;
}

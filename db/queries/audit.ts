import { newId } from '../../domain/ids.ts';
import type { Tx } from '../connection.ts';
import type { Actor } from '../schema.ts';
import { insertRows } from './insert-rows.ts';

export interface AuditEntry {
  readonly tenantId: string;
  readonly ticketId: string | null;
  readonly actor: Actor;
  /** As in the events where there is one: `ticket.updated`; else what was done: `message.queued`. */
  readonly action: string;
  readonly reason?: string | null;
  /** By field: what it was, what it is. */
  readonly changes?: Readonly<Record<string, [unknown, unknown]>>;
  readonly at: Date;
}

/** Who did what to a ticket, when and why; never changed afterwards. */
export async function insertAudit(tx: Tx, entries: readonly AuditEntry[]): Promise<void> {
  await insertRows(
    tx,
    'audit',
    entries.map((entry) => ({
      id: newId('audit'),
      tenant_id: entry.tenantId,
      ticket_id: entry.ticketId,
      actor: entry.actor,
      action: entry.action,
      reason: entry.reason ?? null,
      changes: entry.changes ?? {},
      at: entry.at,
    })),
  );
}

import { sql } from 'kysely';
import type { TenantId } from '../../domain/ids.ts';
import type { MessageChannel } from '../../domain/message.ts';
import { inTenant, type Db } from '../connection.ts';
import { MESSAGE_COLUMNS, presentMessages } from './messages.ts';
import { Pending } from './outbox.ts';
import { recordTicketEvents } from './ticket-changes.ts';
import { lockTickets } from './tickets.ts';

/** Flagged in one transaction. */
const AT_ONCE = 100;

const MISSING = {
  code: 'receipt.missing',
  detail:
    'The vendor accepted it and has reported nothing since: it may not have arrived. Look at the account’s state at the vendor, and whether its webhook still reaches this installation.',
};

/** Tenants with messages whose first report is overdue. */
export async function tenantsMissingReceipts(db: Db): Promise<TenantId[]> {
  const { rows } = await sql<{ id: TenantId }>`
    select id from tenants_missing_receipts() as id`.execute(db);
  return rows.map(({ id }) => id);
}

/**
 * Flags messages whose vendor has not said anything in time, each once (`message.unconfirmed`); a report that comes after
 * all takes the flag away. Follow with `relay.flush`. Returns the channel of each; null where none is left.
 */
export async function flagMissedReceipts(
  db: Db,
  tenantId: TenantId,
): Promise<{ pending: Pending; flagged: MessageChannel[] } | null> {
  const overdue = await inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('messages')
      .select(['id', 'ticket_id'])
      .where('tenant_id', '=', tenantId)
      .where('receipt_due_at', '<', sql<Date>`now()`)
      .orderBy('receipt_due_at')
      .limit(AT_ONCE)
      .execute(),
  );
  if (overdue.length === 0) return null;
  const pending = new Pending(tenantId);
  const flagged = await inTenant(db, tenantId, async (tx) => {
    const tickets = await lockTickets(
      tx,
      overdue.flatMap(({ ticket_id: id }) => id ?? []),
    );
    const rows = await tx
      .updateTable('messages')
      .set({ receipt_due_at: null, error: JSON.stringify(MISSING) })
      .where(
        'id',
        'in',
        overdue.map(({ id }) => id),
      )
      // A report may have come in between.
      .where('receipt_due_at', '<', sql<Date>`now()`)
      .returning(MESSAGE_COLUMNS)
      .execute();
    const shown = await presentMessages(tx, rows);
    const byTicket = Map.groupBy(
      shown.filter(({ ticket_id: id }) => id !== null),
      ({ ticket_id: id }) => id!,
    );
    await recordTicketEvents(
      tx,
      pending,
      [...byTicket].map(([id, messages]) => ({
        ticket: tickets.get(id)!,
        events: messages.map((message) => ({
          type: 'message.unconfirmed' as const,
          data: { message, error: MISSING },
        })),
      })),
    );
    return shown.map(({ channel }) => channel);
  });
  return { pending, flagged };
}

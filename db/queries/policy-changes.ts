import { newId } from '../../domain/ids.ts';
import type { Tx } from '../connection.ts';
import type { Actor } from '../schema.ts';
import type { Pending } from './outbox.ts';
import { TICKET_COLUMNS, wakeOf, type TicketRow } from './tickets.ts';

/** Rows of one statement: Postgres takes 65,535 parameters. */
const BATCH = 5_000;

export interface ToldTicket {
  readonly ticketId: string;
  readonly commandId: string;
}

/**
 * In the transaction that changed a policy or calendar: a `policyChanged` command for every ticket whose clocks may
 * depend on it, and an outbox row each, so that a crash afterwards forgets none. Follow with `tellPolicyChange`.
 */
export async function queuePolicyChanges(
  tx: Tx,
  pending: Pending,
  actor: Actor,
): Promise<ToldTicket[]> {
  const told: ToldTicket[] = [];
  for (let after = ''; ; after = told.at(-1)!.ticketId) {
    const tickets = await tx
      .selectFrom('tickets')
      .select(TICKET_COLUMNS)
      .where('tenant_id', '=', pending.tenantId)
      .where('status', 'in', ['open', 'pending', 'on_hold', 'resolved'])
      .where('id', '>', after)
      .orderBy('id')
      .limit(BATCH)
      .execute();
    if (tickets.length === 0) return told;
    const commands = tickets.map(({ id }) => ({ ticketId: id, commandId: newId('command') }));
    await tx
      .insertInto('commands')
      .values(
        commands.map(({ ticketId, commandId }) => ({
          id: commandId,
          tenant_id: pending.tenantId,
          ticket_id: ticketId,
          kind: 'policyChanged',
          actor: JSON.stringify(actor),
          payload: '{}',
        })),
      )
      .execute();
    await pending.wakeTickets(
      tx,
      tickets.map((row) => wakeOf(row as TicketRow)),
    );
    told.push(...commands);
    if (tickets.length < BATCH) return told;
  }
}

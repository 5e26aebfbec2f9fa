import { explainSla } from '../../domain/sla/explain.ts';
import { nextWake } from '../../domain/sla/wake.ts';
import { closesAt, endsAt, type TicketRules } from '../../domain/ticket-lifecycle.ts';
import type { TicketSnapshot } from '../../workflows/contracts/ticket.ts';
import type { Tx } from '../connection.ts';
import { queuedMessages } from './outgoing.ts';
import { summaryOf, type TicketRow } from './tickets.ts';

/** What a ticket's workflow knows of it: ids, states and times. */
export async function snapshotOf(
  tx: Tx,
  row: TicketRow,
  rules: TicketRules,
): Promise<TicketSnapshot> {
  const times = {
    slaDueAt: row.sla && nextWake(row.sla),
    closesAt: closesAt(row, rules)?.toISOString() ?? null,
    endsAt: endsAt(row, rules)?.toISOString() ?? null,
  };
  const outgoing = await queuedMessages(tx, row.id);
  return {
    version: row.version,
    status: row.status,
    slaLevel: row.sla?.escalation_level ?? 0,
    ...times,
    outgoing,
    summary: summaryOf(row),
    details: detailsOf(row, times, outgoing.length),
  };
}

/** Markdown for the Temporal UI; names nobody and quotes nothing. */
function detailsOf(
  row: TicketRow,
  { closesAt, endsAt }: { closesAt: string | null; endsAt: string | null },
  outgoing: number,
): string {
  return [
    `**Ticket ${row.number}** is **${row.status.replace('_', ' ')}**, priority ${row.priority}.`,
    row.sla ? explainSla(row.sla) : 'No SLA.',
    closesAt && `Closes by itself at ${closesAt}.`,
    endsAt && `Can be reopened until ${endsAt}.`,
    outgoing > 0 && `Waiting to be sent: ${outgoing}.`,
  ]
    .filter(Boolean)
    .join('\n\n');
}

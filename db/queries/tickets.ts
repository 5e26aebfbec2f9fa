import { sql, type Selectable } from 'kysely';
import { newId, type ContactId, type TenantId, type TicketId } from '../../domain/ids.ts';
import type { SlaState } from '../../domain/sla/state.ts';
import { nextWake } from '../../domain/sla/wake.ts';
import { explainSla } from '../../domain/sla/explain.ts';
import type { StartFacts } from '../../domain/sla/clock.ts';
import type { TicketPriority, TicketStatus } from '../../domain/ticket.ts';
import { slaAtStart, type TicketRules } from '../../domain/ticket-lifecycle.ts';
import type { Tx } from '../connection.ts';
import type { Actor, Database } from '../schema.ts';
import { insertAudit } from './audit.ts';
import { insertRows } from './insert-rows.ts';
import { searchVector } from './ticket-search.ts';

/** A ticket as Postgres holds it, its search index apart. */
export type TicketRow = Omit<Selectable<Database['tickets']>, 'search' | 'sla'> & {
  sla: SlaState | null;
};

export const TICKET_COLUMNS = [
  'id',
  'tenant_id',
  'number',
  'subject',
  'status',
  'priority',
  'channel',
  'account_id',
  'requester_id',
  'assignee_id',
  'team_id',
  'tags',
  'custom_fields',
  'sla',
  'muted',
  'message_count',
  'sequence',
  'version',
  'follow_up_of',
  'created_at',
  'updated_at',
  'resolved_at',
  'closed_at',
] as const;

/** Locks tickets in the order of their ids, so that two writers never wait for each other; unknown ids are left out. */
export async function lockTickets(tx: Tx, ids: readonly string[]): Promise<Map<string, TicketRow>> {
  if (ids.length === 0) return new Map();
  const rows = await tx
    .selectFrom('tickets')
    .select(TICKET_COLUMNS)
    .where('id', 'in', [...new Set(ids)])
    .orderBy('id')
    .forUpdate()
    .execute();
  return new Map(rows.map((row) => [row.id, row as TicketRow]));
}

/** A ticket by its id or by its number within the tenant. */
export async function findTicket(
  tx: Tx,
  tenantId: TenantId,
  idOrNumber: string,
): Promise<TicketRow | null> {
  const byNumber = /^\d{1,15}$/.test(idOrNumber);
  const row = await tx
    .selectFrom('tickets')
    .select(TICKET_COLUMNS)
    .where('tenant_id', '=', tenantId)
    .$if(byNumber, (query) => query.where('number', '=', Number(idOrNumber)))
    .$if(!byNumber, (query) => query.where('id', '=', idOrNumber))
    .executeTakeFirst();
  return (row as TicketRow | undefined) ?? null;
}

export interface NewTicket {
  readonly id?: TicketId;
  readonly subject: string;
  /** The provider's name. */
  readonly channel: string;
  readonly accountId: string;
  readonly requesterId: ContactId;
  readonly participants: readonly ContactId[];
  readonly priority?: TicketPriority;
  readonly status?: TicketStatus;
  readonly tags?: readonly string[];
  readonly teamId?: string | null;
  readonly assigneeId?: string | null;
  readonly customFields?: Readonly<Record<string, unknown>>;
  readonly followUpOf?: string | null;
  /** How many messages it starts with. */
  readonly messages: number;
  /** How many events its beginning makes: its sequence stands there. Default none. */
  readonly events?: number;
  /** What a search finds it by beside its subject: names, addresses, texts. */
  readonly text?: string;
  /** Whose answer is awaited; default the first. See `startSla`. */
  readonly awaiting?: StartFacts['awaiting'];
}

/**
 * Makes tickets with their numbers and clocks, in the order given. Follow with their messages, then with
 * `announceTickets` (`ticket.created`, `message.received`) and `pending.startTickets(tx, rows.map(startOf))`.
 */
export async function createTickets(
  tx: Tx,
  tenantId: TenantId,
  rules: TicketRules,
  tickets: readonly NewTicket[],
  actor: Actor,
  now: Date,
): Promise<TicketRow[]> {
  if (tickets.length === 0) return [];
  const firstNumber = await takeNumbers(tx, tenantId, tickets.length);
  const rows = tickets.map((ticket, index) => {
    const status = ticket.status ?? 'open';
    const priority = ticket.priority ?? 'normal';
    const tags = [...(ticket.tags ?? [])];
    const sla = slaAtStart(
      rules,
      {
        provider: ticket.channel,
        channel_id: ticket.accountId,
        priority,
        tags,
        status,
        awaiting: ticket.awaiting,
      },
      now,
    );
    return {
      id: ticket.id ?? newId('ticket'),
      tenant_id: tenantId,
      number: firstNumber + index,
      subject: ticket.subject,
      status,
      priority,
      tags,
      sla,
      channel: ticket.channel,
      account_id: ticket.accountId,
      requester_id: ticket.requesterId,
      team_id: ticket.teamId ?? null,
      assignee_id: ticket.assigneeId ?? null,
      custom_fields: ticket.customFields ?? {},
      message_count: ticket.messages,
      sequence: ticket.events ?? 0,
      follow_up_of: ticket.followUpOf ?? null,
      created_at: now,
      updated_at: now,
      resolved_at: status === 'resolved' ? now : null,
      closed_at: status === 'closed' || status === 'spam' ? now : null,
    };
  });
  const stored = await tx
    .insertInto('tickets')
    .values(
      rows.map((row, index) => ({
        ...row,
        sla: JSON.stringify(row.sla),
        custom_fields: JSON.stringify(row.custom_fields),
        search: sql<never>`${searchVector(row.number, row.subject, tickets[index]!.text ?? '')}`,
      })) as never,
    )
    .returning(TICKET_COLUMNS)
    .execute();
  await addParticipants(
    tx,
    rows.map((row, index) => ({ ticket: row, contactIds: tickets[index]!.participants })),
  );
  await insertAudit(
    tx,
    rows.map((row) => ({ tenantId, ticketId: row.id, actor, action: 'ticket.created', at: now })),
  );
  const byId = new Map(stored.map((row) => [row.id, row as TicketRow]));
  return rows.map((row) => byId.get(row.id)!);
}

/** People who take part in tickets; known ones are left as they are. */
export async function addParticipants(
  tx: Tx,
  additions: readonly {
    ticket: { id: string; tenant_id: string };
    contactIds: readonly string[];
  }[],
): Promise<void> {
  const rows = additions.flatMap(({ ticket, contactIds }) =>
    [...new Set(contactIds)].map((contact_id) => ({
      tenant_id: ticket.tenant_id,
      ticket_id: ticket.id,
      contact_id,
    })),
  );
  await insertRows(tx, 'ticket_participants', rows, sql`on conflict do nothing`);
}

/** How a ticket's workflow starts: asleep until its first deadline, or until it is woken where it has none. */
export function startOf(row: TicketRow): {
  ticketId: string;
  wakeAt: string | null;
  summary: string;
} {
  return { ticketId: row.id, wakeAt: row.sla && nextWake(row.sla), summary: summaryOf(row) };
}

/** How a ticket's workflow is told to look again. */
export function wakeOf(row: TicketRow): { ticketId: string; summary: string } {
  return { ticketId: row.id, summary: summaryOf(row) };
}

/**
 * Whether a ticket's workflow must look again after a change that it did not make. It sleeps at most until the next
 * instant of the clocks as they were, and reads everything anew then: what moves that later, or not, can wait.
 */
export function mustWake(before: TicketRow, after: TicketRow): boolean {
  if (before.status !== after.status) return true;
  const sleepsUntil = before.sla && nextWake(before.sla);
  const next = after.sla && nextWake(after.sla);
  if (next === null) return false;
  return sleepsUntil === null || Date.parse(next) < Date.parse(sleepsUntil);
}

/** For whoever looks at the workflow in the Temporal UI; names nobody and quotes nothing. */
export function summaryOf(row: TicketRow): string {
  const sla = row.sla ? ` ${explainSla(row.sla)}` : '';
  return `Ticket ${row.number}: ${row.status.replace('_', ' ')}.${sla}`.slice(0, 200);
}

async function takeNumbers(tx: Tx, tenantId: TenantId, count: number): Promise<number> {
  const { next_ticket_number: next } = await tx
    .updateTable('tenants')
    .set({ next_ticket_number: sql`next_ticket_number + ${count}` })
    .where('id', '=', tenantId)
    .returning('next_ticket_number')
    .executeTakeFirstOrThrow();
  return next - count;
}

import { sql } from 'kysely';
import { isDeepStrictEqual } from 'node:util';
import type { EventType } from '../../domain/events.ts';
import type { TenantId } from '../../domain/ids.ts';
import type { SlaState } from '../../domain/sla/state.ts';
import { slaAfter, statusAfterCustomer, type TicketRules } from '../../domain/ticket-lifecycle.ts';
import type { TicketStatus } from '../../domain/ticket.ts';
import type { Tx } from '../connection.ts';
import type { Actor } from '../schema.ts';
import { insertAudit, type AuditEntry } from './audit.ts';
import { writeEvents } from './events.ts';
import type { Pending } from './outbox.ts';
import { presentTickets } from './ticket-presentation.ts';
import { clean, searchWith } from './ticket-search.ts';
import { addParticipants, type TicketRow } from './tickets.ts';

/** What a change of tickets is made with: one transaction, one cause, one instant. */
export interface ChangeContext {
  readonly tx: Tx;
  readonly pending: Pending;
  readonly rules: TicketRules;
  readonly actor: Actor;
  /** Why, for the audit trail: `customer replied`, `escalation level 2`. */
  readonly reason?: string | null;
  readonly now: Date;
}

export const TICKET_FIELDS = [
  'subject',
  'status',
  'priority',
  'assignee_id',
  'team_id',
  'tags',
  'custom_fields',
  'muted',
] as const;
export type TicketFields = Partial<Pick<TicketRow, (typeof TICKET_FIELDS)[number]>>;

/** An event of a ticket; the ticket as it is after the change is added to `data`. */
export interface TicketEvent {
  readonly type: EventType;
  readonly data?: Record<string, unknown>;
}

/** One ticket's change. The caller holds its row lock and gives the row as it was read under it. */
export interface TicketChange {
  readonly ticket: TicketRow;
  readonly fields?: TicketFields;
  /** Messages that were stored with it. Only a person's word moves the clocks: give `nobody` for notes and automatic mail. */
  readonly said?: {
    readonly by: 'customer' | 'agent' | 'nobody';
    readonly messages: number;
    readonly text?: string;
  };
  readonly participants?: readonly string[];
  /** A policy or calendar was edited: its figures are taken anew. */
  readonly policyEdited?: boolean;
  /** The clocks as they are before this change, where the caller has moved them already. */
  readonly sla?: SlaState;
  /** What happened beside the change of fields, in order: `message.received`, `sla.breached`. */
  readonly events?: readonly TicketEvent[];
  /** The audit trail's word for it; `ticket.updated` where fields changed and nothing else is given. */
  readonly action?: string;
  /** Why, where it differs from the cause of the others. */
  readonly reason?: string;
}

/** One change; see `changeTickets`. */
export async function changeTicket(
  context: ChangeContext,
  change: TicketChange,
): Promise<TicketRow> {
  const [row] = await changeTickets(context, [change]);
  return row!;
}

/**
 * Changes tickets, each in one place: row, version and sequence, clocks, audit, search index, participants, and events
 * (`ticket.updated` first where fields changed, then assigned, resolved, closed, reopened, then the change's own).
 * Each ticket at most once per call. Returns the rows as they are now, in the order given.
 */
export async function changeTickets(
  context: ChangeContext,
  changes: readonly TicketChange[],
): Promise<TicketRow[]> {
  if (changes.length === 0) return [];
  const planned = changes.map((change) => plan(context, change));
  await store(context.tx, planned);
  await addParticipants(
    context.tx,
    planned.map(({ row, change }) => ({ ticket: row, contactIds: change.participants ?? [] })),
  );
  await insertAudit(
    context.tx,
    planned.flatMap((one) => auditOf(context, one)),
  );
  await publish(context.tx, context.pending, planned);
  return planned.map(({ row }) => row);
}

function auditOf(context: ChangeContext, { row, change, changed }: Planned): AuditEntry[] {
  const action = change.action ?? (isEmpty(changed) ? null : 'ticket.updated');
  if (action === null) return [];
  return [
    {
      tenantId: context.pending.tenantId,
      ticketId: row.id,
      actor: context.actor,
      action,
      reason: change.reason ?? context.reason,
      changes: changed,
      at: context.now,
    },
  ];
}

/** Events of tickets that nothing else about is changed: of new ones, of a message that was sent. Counts their sequence. */
export async function recordTicketEvents(
  tx: Tx,
  pending: Pending,
  records: readonly { ticket: TicketRow; events: readonly TicketEvent[] }[],
): Promise<TicketRow[]> {
  const planned = records.map(({ ticket, events }) => ({
    row: { ...ticket, sequence: ticket.sequence + events.length },
    firstSequence: ticket.sequence + 1,
    events,
  }));
  const counts = planned.map(({ row }) => ({ id: row.id, sequence: row.sequence }));
  await sql`update tickets t set sequence = d.sequence
    from jsonb_to_recordset(${JSON.stringify(counts)}::jsonb) as d(id text, sequence bigint)
    where t.id = d.id`.execute(tx);
  await publish(tx, pending, planned);
  return planned.map(({ row }) => row);
}

/** The first events of tickets that were just made with that many counted; see `createTickets`. */
export async function announceTickets(
  tx: Tx,
  pending: Pending,
  records: readonly { ticket: TicketRow; events: readonly TicketEvent[] }[],
): Promise<void> {
  const planned = records.map(({ ticket, events }) => ({ row: ticket, events, firstSequence: 1 }));
  await publish(tx, pending, planned);
}

interface Planned {
  readonly change: TicketChange;
  readonly row: TicketRow;
  readonly changed: Record<string, [unknown, unknown]>;
  readonly events: readonly TicketEvent[];
  readonly firstSequence: number;
}

function plan({ rules, now }: ChangeContext, change: TicketChange): Planned {
  const before = change.ticket;
  const status = statusAfter(change);
  // An agent who answers has seen the thread: what a loop guard muted speaks again.
  const muted = before.muted && change.said?.by !== 'agent';
  const fields = { ...before, status, muted, ...change.fields };
  const changed = differences(before, fields);
  const events = [...eventsOf(before, fields, changed), ...(change.events ?? [])];
  const row: TicketRow = {
    ...fields,
    ...endingTimes(before, fields.status, now),
    sla: movedClocks(change, fields, rules, now),
    message_count: before.message_count + (change.said?.messages ?? 0),
    sequence: before.sequence + events.length,
    version: before.version + 1,
    updated_at: now,
  };
  return { change, row, changed, events, firstSequence: before.sequence + 1 };
}

function statusAfter({ ticket, said }: TicketChange): TicketStatus {
  return said?.by === 'customer' ? statusAfterCustomer(ticket.status) : ticket.status;
}

function differences(before: TicketRow, after: TicketRow): Record<string, [unknown, unknown]> {
  return Object.fromEntries(
    TICKET_FIELDS.filter((field) => !isDeepStrictEqual(before[field], after[field])).map(
      (field) => [field, [before[field], after[field]]],
    ),
  );
}

function eventsOf(
  before: TicketRow,
  after: TicketRow,
  changed: Record<string, [unknown, unknown]>,
): TicketEvent[] {
  if (isEmpty(changed)) return [];
  const types: EventType[] = ['ticket.updated'];
  if (changed.assignee_id || changed.team_id) types.push('ticket.assigned');
  if (changed.status) types.push(...statusEvents(before.status, after.status));
  return types.map((type) => ({ type, data: { changes: changed } }));
}

function statusEvents(before: TicketStatus, after: TicketStatus): EventType[] {
  if (after === 'resolved') return ['ticket.resolved'];
  if (after === 'closed') return ['ticket.closed'];
  return isEnded(before) && !isEnded(after) ? ['ticket.reopened'] : [];
}

function isEnded(status: TicketStatus): boolean {
  return status === 'resolved' || status === 'closed' || status === 'spam';
}

function endingTimes(before: TicketRow, status: TicketStatus, now: Date) {
  if (status === before.status) return {};
  if (!isEnded(status)) return { resolved_at: null, closed_at: null };
  if (status === 'resolved') return { resolved_at: now, closed_at: null };
  return { resolved_at: before.resolved_at ?? (status === 'closed' ? now : null), closed_at: now };
}

function movedClocks(
  change: TicketChange,
  after: TicketRow,
  rules: TicketRules,
  now: Date,
): SlaState | null {
  const state = change.sla ?? change.ticket.sla;
  if (state === null) return null;
  const by = change.said?.by;
  return slaAfter(
    state,
    rules,
    {
      before: factsOf(change.ticket),
      after: factsOf(after),
      said: by === 'customer' || by === 'agent' ? by : null,
      policyEdited: change.policyEdited ?? false,
    },
    now,
  );
}

function factsOf({ channel, account_id, priority, tags, status }: TicketRow) {
  return { provider: channel, channel_id: account_id, priority, tags, status };
}

async function store(tx: Tx, planned: readonly Planned[]): Promise<void> {
  const rows = planned.map(({ row, change }) => ({ ...row, said: clean(textOf(change)) }));
  await sql`
    update tickets t set
      subject = d.subject, status = d.status, priority = d.priority, assignee_id = d.assignee_id,
      team_id = d.team_id, tags = d.tags, custom_fields = d.custom_fields, sla = d.sla, muted = d.muted,
      message_count = d.message_count, sequence = d.sequence, version = d.version, updated_at = d.updated_at,
      resolved_at = d.resolved_at, closed_at = d.closed_at,
      search = ${searchWith(sql`t.search`, sql`d.said`)}
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as d(
      id text, subject text, status text, priority text, assignee_id text, team_id text, tags text[],
      custom_fields jsonb, sla jsonb, muted boolean, message_count int, sequence bigint, version bigint,
      updated_at timestamptz, resolved_at timestamptz, closed_at timestamptz, said text)
    where t.id = d.id`.execute(tx);
}

/** What a search finds a ticket by from now on; a new subject is added to the old one. */
function textOf({ said, fields, ticket }: TicketChange): string {
  const subject =
    fields?.subject !== undefined && fields.subject !== ticket.subject ? fields.subject : '';
  return `${subject} ${said?.text ?? ''}`.trim();
}

async function publish(
  tx: Tx,
  pending: Pending,
  planned: readonly Pick<Planned, 'row' | 'events' | 'firstSequence'>[],
): Promise<void> {
  const speaking = planned.filter(({ events }) => events.length > 0);
  const shown = await presentTickets(
    tx,
    speaking.map(({ row }) => row),
  );
  await writeEvents(
    tx,
    pending,
    speaking.flatMap(({ row, events, firstSequence }, place) =>
      events.map(({ type, data }, index) => ({
        type,
        ticketId: row.id,
        sequence: firstSequence + index,
        data: { ticket: shown[place], ...data },
      })),
    ),
  );
}

function isEmpty(changed: Record<string, unknown>): boolean {
  return Object.keys(changed).length === 0;
}

/** The tenant that a ticket's row belongs to, as a branded id. */
export function tenantOf(row: Pick<TicketRow, 'tenant_id'>): TenantId {
  return row.tenant_id as TenantId;
}

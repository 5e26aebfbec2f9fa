import { newId } from '../domain/ids.ts';
import { writtenMessage } from '../domain/reply.ts';
import {
  escalationActions,
  raisedPriority,
  type EscalationAction,
  type SlaPolicy,
} from '../domain/sla/policy.ts';
import type { Occurrence } from '../domain/sla/state.ts';
import { applied, due } from '../domain/sla/wake.ts';
import { addressesOf, isActive } from '../db/queries/assignees.ts';
import { insertWritten } from '../db/queries/outgoing.ts';
import { outgoingChannel } from '../db/queries/outgoing-channel.ts';
import {
  changeTicket,
  type ChangeContext,
  type TicketEvent,
  type TicketFields,
} from '../db/queries/ticket-changes.ts';
import type { TicketRow } from '../db/queries/tickets.ts';
import { slaLateness, slaOccurrences } from '../telemetry/metrics.ts';

/** A notification that is older than this helps nobody. */
const NOTIFY_FOR_MS = 4 * 3600 * 1000;

export interface AnnounceContext extends ChangeContext {
  /** Whether channels of this provider send mail. */
  readonly canSend: (provider: string) => boolean;
}

/** Announces what has come due by now, one by one, under the ticket's lock: in the same transaction it is no longer owed. */
export async function announceDue(context: AnnounceContext, ticket: TicketRow): Promise<TicketRow> {
  let row = ticket;
  for (;;) {
    const [occurrence] = row.sla ? due(row.sla, context.now) : [];
    if (!occurrence) return row;
    row = await announce(context, row, occurrence);
  }
}

async function announce(
  context: AnnounceContext,
  ticket: TicketRow,
  occurrence: Occurrence,
): Promise<TicketRow> {
  const sla = applied(ticket.sla!, [occurrence], context.now);
  const fields =
    occurrence.type === 'escalation' ? await escalate(context, ticket, occurrence) : {};
  const event = eventOf(occurrence);
  measure(occurrence, context.now);
  return changeTicket(
    { ...context, reason: reasonOf(occurrence) },
    { ticket, sla, fields, events: [event], action: event.type },
  );
}

function measure({ type, metric, due_at }: Occurrence, now: Date): void {
  slaOccurrences.inc({ metric, type });
  if (type !== 'breach') return;
  slaLateness.observe({ metric }, Math.max(0, now.getTime() - Date.parse(due_at)) / 1000);
}

function eventOf(occurrence: Occurrence): TicketEvent {
  const { metric, due_at } = occurrence;
  switch (occurrence.type) {
    case 'warning':
      return {
        type: 'sla.warning',
        data: { sla: { metric, due_at, level: 0, percent: occurrence.percent } },
      };
    case 'breach':
      return { type: 'sla.breached', data: { sla: { metric, due_at, level: 0 } } };
    case 'escalation':
      return {
        type: 'ticket.escalated',
        data: { sla: { metric, due_at, level: occurrence.level } },
      };
  }
}

function reasonOf(occurrence: Occurrence): string {
  const metric = occurrence.metric.replace('_', ' ');
  switch (occurrence.type) {
    case 'warning':
      return `${occurrence.percent} % of the time for the ${metric} is used`;
    case 'breach':
      return `The ${metric} is overdue`;
    case 'escalation':
      return `Escalation level ${occurrence.level}: the ${metric} is overdue`;
  }
}

/** What the level's actions change on the ticket; notifications are queued on the way. */
async function escalate(
  context: AnnounceContext,
  ticket: TicketRow,
  occurrence: Extract<Occurrence, { type: 'escalation' }>,
): Promise<TicketFields> {
  const fields: { -readonly [K in keyof TicketFields]: TicketFields[K] } = {};
  for (const action of actionsOf(context.rules.policies, occurrence)) {
    switch (action.type) {
      case 'raise_priority':
        fields.priority = raisedPriority(fields.priority ?? ticket.priority, action.to);
        break;
      case 'assign_team':
        if (await isActive(context.tx, 'teams', action.team_id)) fields.team_id = action.team_id;
        break;
      case 'notify':
        await notify(context, ticket, occurrence, action.to);
        break;
      case 'emit_event':
        break; // every level emits ticket.escalated; a level may consist of nothing else
    }
  }
  return fields;
}

function actionsOf(
  policies: readonly SlaPolicy[],
  { policy_id, level }: { policy_id: string | null; level: number },
): EscalationAction[] {
  const policy = policies.find(({ id }) => id === policy_id);
  return policy ? escalationActions(policy, level) : [];
}

/** Queues a mail to agents by the ticket's own channel; a channel that can't send notifies nobody. */
async function notify(
  context: AnnounceContext,
  ticket: TicketRow,
  occurrence: Occurrence,
  names: readonly string[],
): Promise<void> {
  const { tx, now, pending } = context;
  const channel = await outgoingChannel(tx, pending.tenantId, ticket.account_id);
  const addresses = await addressesOf(tx, names);
  if (
    !channel?.address ||
    channel.isStopped ||
    !context.canSend(channel.provider) ||
    addresses.length === 0
  )
    return;
  const id = newId('message', now.getTime());
  const body = writtenMessage({
    provider: channel.provider,
    direction: 'outbound',
    kind: 'notification',
    status: 'queued',
    sender: { name: channel.name, address: channel.address },
    to: addresses.map((address) => ({ name: '', address })),
    cc: [],
    subject: `Ticket ${ticket.number}: ${reasonOf(occurrence)}`,
    text: `${reasonOf(occurrence)}.\n\nTicket ${ticket.number}: ${ticket.subject}\nStatus: ${ticket.status}\nDue: ${occurrence.due_at}\n`,
    html: null,
    // Not one of the ids that prove a customer got our mail: an answer to a notification is no customer's word.
    messageId: `${id.toLowerCase()}.notification@${channel.address.slice(channel.address.lastIndexOf('@') + 1)}`,
    answered: null,
    now,
  });
  await insertWritten(tx, {
    id,
    tenantId: pending.tenantId,
    ticketId: ticket.id,
    channelId: channel.id,
    authorId: null,
    body,
    sendBy: new Date(now.getTime() + NOTIFY_FOR_MS),
    now,
  });
}

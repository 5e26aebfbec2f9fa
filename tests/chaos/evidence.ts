import { sql } from 'kysely';
import { inTenant } from '../../db/connection.ts';
import { mailboxWorkflowId } from '../../workflows/contracts/mailbox.ts';
import { ticketWorkflowId } from '../../workflows/contracts/ticket.ts';
import type { Stage } from './stage.ts';

export interface SourceFact {
  readonly sha256: string;
  readonly status: string;
  readonly messageId: string | null;
}

export interface EventFact {
  readonly id: string;
  readonly type: string;
  readonly ticketId: string | null;
  readonly sequence: number | null;
  readonly data: {
    readonly sla?: { readonly metric: string; readonly due_at: string };
    readonly message?: { readonly id: string };
    readonly uncertain?: boolean;
  };
  /** When its transaction was committed. */
  readonly committedAt: Date;
}

/** What Postgres holds of a scene's tenant. */
export interface Evidence {
  readonly sources: readonly SourceFact[];
  readonly inbound: readonly { readonly id: string; readonly ticketId: string | null }[];
  readonly outbound: readonly {
    readonly id: string;
    readonly status: string;
    readonly messageId: string | null;
  }[];
  readonly tickets: readonly { readonly id: string; readonly sequence: number }[];
  readonly channels: readonly { readonly id: string; readonly state: string }[];
  readonly events: readonly EventFact[];
  readonly deliveries: readonly { readonly eventId: string; readonly status: string }[];
  readonly outbox: readonly { readonly kind: string; readonly ref: string }[];
}

export async function gatherEvidence({ installation, tenantId }: Stage): Promise<Evidence> {
  return inTenant(installation.deps.db, tenantId, async (tx) => {
    const sources = await tx
      .selectFrom('sources')
      .select(['sha256', 'status', 'message_id'])
      .execute();
    const messages = await tx
      .selectFrom('messages')
      .select(['id', 'ticket_id', 'direction', 'status', 'message_id'])
      .execute();
    const events = await tx
      .selectFrom('events')
      .select(['id', 'type', 'ticket_id', 'sequence', 'data'])
      .select(sql<Date>`pg_xact_commit_timestamp(xid::xid)`.as('committed_at'))
      .orderBy('ticket_id')
      .orderBy('sequence')
      .execute();
    const deliveries = await tx.selectFrom('deliveries').select(['event_id', 'status']).execute();
    return {
      sources: sources.map((row) => ({
        sha256: row.sha256.toString('hex'),
        status: row.status,
        messageId: row.message_id,
      })),
      inbound: messages
        .filter(({ direction }) => direction === 'inbound')
        .map((row) => ({ id: row.id, ticketId: row.ticket_id })),
      outbound: messages
        .filter(({ direction }) => direction === 'outbound')
        .map((row) => ({ id: row.id, status: row.status, messageId: row.message_id })),
      tickets: await tx.selectFrom('tickets').select(['id', 'sequence']).execute(),
      channels: await tx
        .selectFrom('channels')
        .select(['id', 'state'])
        .where('desired_state', '=', 'running')
        .execute(),
      events: events.map((row) => ({
        id: row.id,
        type: row.type,
        ticketId: row.ticket_id,
        sequence: row.sequence,
        data: row.data as EventFact['data'], // of the types that are looked at
        committedAt: row.committed_at,
      })),
      deliveries: deliveries.map((row) => ({ eventId: row.event_id, status: row.status })),
      outbox: await tx.selectFrom('outbox').select(['kind', 'ref']).execute(),
    };
  });
}

/** What Temporal holds of one workflow. */
export interface WorkflowFact {
  readonly id: string;
  /** `RUNNING`, …; null where there is none. */
  readonly status: string | null;
  /** Its last task or activity attempt that nobody finished in time. */
  readonly timeouts: number;
  /** Reasons why its code failed at a task. */
  readonly faults: readonly string[];
}

const AT_ONCE = 10;

export async function workflowsOf(stage: Stage, evidence: Evidence): Promise<WorkflowFact[]> {
  const { tenantId } = stage;
  const ids = [
    ...evidence.tickets.map(({ id }) => ticketWorkflowId({ tenantId, ticketId: id })),
    ...evidence.channels.map(({ id }) => mailboxWorkflowId({ tenantId, channelId: id })),
  ];
  const facts: WorkflowFact[] = [];
  for (let from = 0; from < ids.length; from += AT_ONCE)
    facts.push(
      ...(await Promise.all(ids.slice(from, from + AT_ONCE).map((id) => look(stage, id)))),
    );
  return facts;
}

async function look({ installation }: Stage, id: string): Promise<WorkflowFact> {
  const handle = installation.deps.client.workflow.getHandle(id);
  try {
    const [{ status }, { events }] = await Promise.all([handle.describe(), handle.fetchHistory()]);
    const all = events ?? [];
    return {
      id,
      status: status.name,
      timeouts: all.filter((event) => event.workflowTaskTimedOutEventAttributes).length,
      faults: all.flatMap(({ workflowTaskFailedEventAttributes: failed }) =>
        failed ? [`${failed.cause ?? ''} ${failed.failure?.message ?? ''}`] : [],
      ),
    };
  } catch (error) {
    if ((error as Error).name !== 'WorkflowNotFoundError') throw error;
    return { id, status: null, timeouts: 0, faults: [] };
  }
}

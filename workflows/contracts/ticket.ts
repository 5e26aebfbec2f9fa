/** One workflow per ticket: deadlines, escalation, replies, the end of the reopen window. */
export const ticketWorkflowType = 'ticket';

export function ticketWorkflowId(ref: TicketRef): string {
  return `ticket/${ref.tenantId}/${ref.ticketId}`;
}

export interface TicketRef {
  readonly tenantId: string;
  readonly ticketId: string;
}

export type TicketInput = TicketRef;

/** Something in Postgres changed that the workflow must look at (a message arrived). Coalesced, no content. */
export const WAKE_SIGNAL = 'wake';

/**
 * What an agent does. The content is a row in `commands`; the Update carries its id, and the Update id is the
 * command id, so that a repeat answers with the first one's result.
 */
export const COMMAND_UPDATES = [
  'reply',
  'note',
  'assign',
  'setStatus',
  'setPriority',
  'setTags',
  'edit',
  'policyChanged',
] as const;
export type CommandUpdate = (typeof COMMAND_UPDATES)[number];

export interface CommandRef {
  readonly commandId: string;
}

/** The answer to an Update: ids and states only; the API reads the objects from Postgres. */
export type CommandOutcome =
  | { readonly ok: true; readonly version: number; readonly messageId?: string }
  | {
      readonly ok: false;
      readonly status: 404 | 409 | 412 | 422;
      readonly code: string;
      readonly detail: string;
    };

/** What the workflow needs to know of its ticket; ids, states and times. */
export interface TicketSnapshot {
  readonly version: number;
  readonly status: 'open' | 'pending' | 'on_hold' | 'resolved' | 'closed' | 'spam';
  /** Escalation level reached, 0 for none. */
  readonly slaLevel: number;
  /** When the next SLA warning, breach or escalation is due; null while paused or without a policy. */
  readonly slaDueAt: string | null;
  /** When a resolved ticket closes by itself. */
  readonly closesAt: string | null;
  /** When the reopen window of a closed (or spam) ticket ends, and the workflow with it. */
  readonly endsAt: string | null;
  /** Answers accepted but not yet handed over, oldest first. */
  readonly outgoing: readonly {
    readonly messageId: string;
    readonly provider: string;
    readonly sendBy: string;
  }[];
  /** Plain words for ops: the static summary and the current details. */
  readonly summary: string;
  readonly details: string;
  /** How long the activity took, its retries included: the workflow's own time stands still meanwhile. */
  readonly elapsedMs?: number;
}

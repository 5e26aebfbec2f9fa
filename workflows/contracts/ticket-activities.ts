import type { CommandOutcome, TicketRef, TicketSnapshot } from './ticket.ts';

/** The workflow's own time, ISO: deadlines and what is written at them go by it, not by the worker's clock. */
type Now = { readonly now: string };

/** On the tickets queue: Postgres alone. Null where there is no such ticket. */
export interface TicketActivities {
  /** Reads the ticket; applies what a crash left between Postgres and Temporal. */
  loadTicket(call: TicketRef & Now): Promise<TicketSnapshot | null>;
  /** Does what the command's row says, once; a repeat answers with the first one's outcome. */
  applyCommand(
    call: TicketRef & Now & { readonly commandId: string },
  ): Promise<{ outcome: CommandOutcome; snapshot: TicketSnapshot | null }>;
  /** Announces every SLA warning, breach and escalation that has come due, each once. */
  applyDue(call: TicketRef & Now): Promise<TicketSnapshot | null>;
  /** Closes a ticket that has been resolved long enough, unless something has happened since. */
  closeTicket(call: TicketRef & Now): Promise<TicketSnapshot | null>;
  /** Ends an answer that could not be sent. */
  giveUpMessage(
    call: TicketRef & Now & { readonly messageId: string; readonly code: string },
  ): Promise<void>;
}

/** On the provider's queue. */
export interface SendingActivities {
  /** Hands one answer to the outside, once; without effect where that has been done. */
  sendMessage(
    call: TicketRef & { readonly messageId: string },
  ): Promise<{ status: 'sent' | 'uncertain' | 'ended' }>;
}

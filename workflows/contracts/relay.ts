import type { DomainEvent } from '../../domain/events.ts';
import type { ScheduledInput, ScheduledRef } from './scheduled-message.ts';
import type { CommandOutcome, CommandUpdate, TicketRef } from './ticket.ts';

/** Why a channel's workflow is told. */
export interface ChannelNews {
  readonly provider: string;
  readonly changed: boolean;
  /** The vendor called. */
  readonly push?: boolean;
  /** Its push subscription is to be made anew. */
  readonly renew?: boolean;
}

/**
 * What a transaction left for Temporal. Every item also stands in Postgres (outbox row, delivery row), leased to the
 * writer: `flush` is the short way, the drain is the sure one.
 */
export interface PendingWork {
  readonly tenantId: string;
  readonly channels: ReadonlyMap<string, ChannelNews & { version: number }>;
  readonly ticketStarts: ReadonlyMap<
    string,
    { wakeAt: string | null; summary: string; version: number }
  >;
  readonly ticketWakes: ReadonlyMap<string, { summary: string; version: number }>;
  readonly deliveries: readonly {
    deliveryId: string;
    eventId: string;
    endpointId: string;
    type: string;
    /** Above 1 it is a replay: the workflow of the run before may be about to end. */
    run: number;
    /** The endpoint is pinned to a workflow for each: none is left to the dispatcher. */
    pinned?: boolean;
    /** Its first attempt was made already; the workflow sleeps until the next is due. */
    notBefore?: Date;
  }[];
  /** Deliveries as they were written, for an attempt in the same process at once. */
  readonly written?: ReadonlyMap<string, WrittenDelivery>;
  /** Rows were left to the dispatcher, which is to be told. */
  readonly streamed?: boolean;
}

/** What its writer knows of a delivery; secrets sealed. */
export interface WrittenDelivery {
  readonly event: DomainEvent;
  readonly endpoint: {
    readonly id: string;
    readonly url: string;
    readonly secret: Buffer;
    readonly headers: Buffer | null;
    readonly max_retries: number;
    readonly timeout_seconds: number;
    readonly verify_ssl: boolean;
    readonly is_active: boolean;
    readonly deleted_at: Date | null;
  };
  readonly traceparent: string | null;
}

/** The API's and the activities' way to Temporal. */
export interface Relay {
  /**
   * Hands over what was committed. Never throws for Temporal's absence: what it can't hand over stays for the drain.
   * Deliveries are started a few at a time and nobody waits for them, except with `whole`; with `gently` tickets are, too.
   */
  flush(
    work: PendingWork,
    options?: { readonly whole?: boolean; readonly gently?: boolean },
  ): Promise<void>;
  /** A workflow's first attempt began or ended in this process, which says when the next delivery may be started. */
  firstAttempt?(deliveryId: string, what: 'begun' | 'ended'): void;
  /** A delivery that this process wrote a moment ago, once: its first attempt need not read it back. */
  takeWritten?(deliveryId: string): WrittenDelivery | null;
  /** The dispatchers live for ever: starts one that was ended by hand. */
  startDispatchers?(): Promise<void>;
  /** Update-with-start of the ticket's workflow; waits for its result. @throws TemporalUnavailable */
  command(ref: TicketRef, update: CommandUpdate, commandId: string): Promise<CommandOutcome>;
  /** Starts the workflow of a message set for a time, delayed until then; without effect where it is there. */
  startScheduled?(message: ScheduledInput): Promise<void>;
  /** Ends its wait; without effect where it has none. */
  cancelScheduled?(ref: ScheduledRef): Promise<void>;
  /** Link into the Temporal UI. */
  workflowUrl(workflowId: string): string;
}

/** Temporal can't be reached, or did not answer in time; the command's row stands and can be sent again. */
export class TemporalUnavailable extends Error {
  override name = 'TemporalUnavailable';
}

import type { MailboxRef } from './mailbox.ts';

/** What a mailbox's workflow knows of its channel; ids, states and times. */
export interface MailboxPlan {
  readonly desired: 'running' | 'paused' | 'stopped';
  readonly provider: string;
  /** Read from by us, rather than only called by the outside. */
  readonly isRead: boolean;
  /** Can wait for mail: IDLE, or polling. */
  readonly canWait: boolean;
  /** How long to sleep where it can't. */
  readonly sweepSeconds: number;
}

export interface MailboxStateReport {
  readonly state: 'connecting' | 'watching' | 'backing_off' | 'needs_attention';
  readonly detail: string;
  readonly error: { readonly type: string; readonly detail: string } | null;
  readonly nextSweepAt: string | null;
}

/** On the mailboxes queue: Postgres alone. */
export interface MailboxStateActivities {
  loadMailbox(ref: MailboxRef): Promise<MailboxPlan>;
  recordMailboxState(ref: MailboxRef, report: MailboxStateReport): Promise<void>;
}

/** On the provider's queue. */
export interface MailboxSyncActivities {
  /** Fetches, stores and ingests all there is; returns how many messages came. */
  syncMailbox(ref: MailboxRef): Promise<{ received: number }>;
}

/** On the queue of waits. */
export interface MailboxWaitActivities {
  /** Returns on mail, or after `seconds`. */
  waitForMail(ref: MailboxRef, seconds: number): Promise<'mail' | 'timeout'>;
}

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
  // What came later is optional: histories that were recorded before have not got it, and go their former way.
  /** Has no wait of its own: it is waited for by looking. */
  readonly polls?: boolean;
  /** Has a push subscription that expires. */
  readonly renews?: boolean;
  /** The subscription as it was last renewed. */
  readonly watch?: Watch | null;
  /** Stopped, and its subscription is still to be ended at the vendor. */
  readonly releases?: boolean;
}

/** A push subscription at the vendor; times are RFC 3339. */
export interface Watch {
  readonly renewedAt: string;
  readonly expiresAt: string;
}

export interface Synced {
  readonly received: number;
  /** When the oldest of it reached the vendor. */
  readonly oldestAt?: string;
  /** There is more to do by then: a chat's file that could not be fetched. */
  readonly againSeconds?: number;
  /** What the vendor refuses, though it was fetched: answers, a chat's files. Only an admin can put it right. */
  readonly refusal?: { readonly type: string; readonly detail: string };
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
  /** The subscription could not be ended at the vendor, and is left to expire. */
  forgetWatch(ref: MailboxRef, why: string): Promise<void>;
}

/** On the provider's queue. */
export interface MailboxSyncActivities {
  /** Fetches, stores and ingests all there is; returns how many messages came. */
  syncMailbox(ref: MailboxRef): Promise<Synced>;
}

/** On the provider's queue. */
export interface MailboxWatchActivities {
  /** Makes or renews the push subscription; null where the settings want none. */
  renewWatch(ref: MailboxRef): Promise<Watch | null>;
  /** Ends it at the vendor; what a deleted channel kept for that is forgotten then. */
  releaseWatch(ref: MailboxRef): Promise<void>;
}

/** On the queue of waits. */
export interface MailboxWaitActivities {
  /** Returns on mail, or after `seconds`. */
  waitForMail(ref: MailboxRef, seconds: number): Promise<'mail' | 'timeout'>;
}

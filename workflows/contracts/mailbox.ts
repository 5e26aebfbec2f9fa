/** One workflow per channel: waits for mail, syncs, renews, backs off; reads what is wanted from Postgres. */
export const mailboxWorkflowType = 'mailbox';

export function mailboxWorkflowId(ref: MailboxRef): string {
  return `mailbox/${ref.tenantId}/${ref.channelId}`;
}

export interface MailboxRef {
  readonly tenantId: string;
  readonly channelId: string;
}

export interface MailboxInput extends MailboxRef {
  readonly provider: string;
  /** Carried over continue-as-new: failures in a row. */
  readonly failures?: number;
  /** The same: push does not tell of mail. */
  readonly silent?: boolean;
  /** The same: the push subscription is to be made anew at once. */
  readonly renew?: boolean;
}

/** What a nudge says beside itself; older ones say nothing. */
export interface MailboxNews {
  /** The vendor's push brought it. */
  readonly push?: boolean;
  /** The push subscription is to be made anew at once. */
  readonly renew?: boolean;
}

/** There may be mail (push, door, sync now), or the admin changed something: look again. Coalesced, no content. */
export const NUDGE_SIGNAL = 'nudge';
/** What is wanted changed (start, pause, resume, stop, settings): cancels what is under way and reads it anew. */
export const CHANGED_SIGNAL = 'changed';

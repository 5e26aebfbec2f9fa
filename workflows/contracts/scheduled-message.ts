/** A message set for a time: sleeps until then, and has its ticket send it. */
export const scheduledMessageWorkflowType = 'scheduledMessage';

export interface ScheduledRef {
  readonly tenantId: string;
  readonly scheduledId: string;
}

export interface ScheduledInput extends ScheduledRef {
  /** RFC 3339 in UTC. */
  readonly sendAt: string;
}

export function scheduledMessageWorkflowId({ tenantId, scheduledId }: ScheduledRef): string {
  return `scheduled/${tenantId}/${scheduledId}`;
}

/** How it ended; the row in Postgres says the rest. */
export type ScheduledEnd = 'sent' | 'cancelled' | 'failed';

/** On the processes queue. */
export interface ScheduledMessageActivities {
  /** Has the message's ticket send it, once: whether it was cancelled is decided with its sending, in one transaction. */
  sendScheduled(ref: ScheduledRef): Promise<ScheduledEnd>;
}

/**
 * Task queues. Workflows and the activities that only touch Postgres share a queue of their kind; everything that
 * talks to a provider runs on that provider's own, so that one vendor's outage holds back nobody else.
 */
export const QUEUE = {
  mailboxes: 'mailboxes',
  tickets: 'tickets',
  deliveries: 'deliveries',
  processes: 'processes',
  /** Waits for mail have a queue of their own, so that they can't starve syncs. */
  waits: 'waits',
  /** The dispatcher's long activity. */
  dispatch: 'dispatch',
} as const;

/** The activity-only queue of one provider. */
export function providerQueue(provider: string): string {
  return `provider-${provider}`;
}

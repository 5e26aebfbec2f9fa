import { createDeliveryActivities } from '../activities/deliveries.ts';
import type { Deps } from '../activities/deps.ts';
import { createDispatcherActivities } from '../activities/dispatcher.ts';
import { createDrainActivities } from '../activities/drain.ts';
import { createMailboxStateActivities } from '../activities/mailbox-state.ts';
import { createMailboxSyncActivities } from '../activities/mailbox-sync.ts';
import { createMailboxWaitActivities } from '../activities/mailbox-wait.ts';
import { createMailboxWatchActivities } from '../activities/mailbox-watch.ts';
import { createScheduledMessageActivities } from '../activities/scheduled-messages.ts';
import type { ProviderOptions } from '../activities/provider-options.ts';
import { createSendingActivities } from '../activities/sending.ts';
import { createSweepActivities } from '../activities/sweep.ts';
import { createTicketActivities } from '../activities/tickets.ts';
import { providers } from '../providers/registry.ts';
import { providerQueue, QUEUE } from '../workflows/contracts/queues.ts';

export const ROLES = ['mailboxes', 'providers', 'tickets', 'deliveries', 'processes'] as const;
export type Role = (typeof ROLES)[number];

/** One worker: a queue, whether workflows run on it, and its activities alone. */
export interface QueueSpec {
  readonly queue: string;
  readonly workflows: boolean;
  readonly activities: object;
  /** Activities under way at once. */
  readonly width: number;
}

/** Which queues a role serves. */
export function queuesOf(role: Role, deps: Deps, options: ProviderOptions = {}): QueueSpec[] {
  switch (role) {
    case 'mailboxes':
      return [
        {
          queue: QUEUE.mailboxes,
          workflows: true,
          activities: createMailboxStateActivities(deps, options),
          width: 20,
        },
        // A wait costs a connection and nothing else.
        {
          queue: QUEUE.waits,
          workflows: false,
          activities: createMailboxWaitActivities(deps, options),
          width: 2000,
        },
      ];
    case 'providers':
      return providers.map(({ manifest }) => ({
        queue: providerQueue(manifest.name),
        workflows: false,
        activities: {
          ...createMailboxSyncActivities(deps, options),
          ...createMailboxWatchActivities(deps, options),
          ...createSendingActivities(deps, options),
        },
        width: 20,
      }));
    case 'tickets':
      return [
        {
          queue: QUEUE.tickets,
          workflows: true,
          activities: createTicketActivities(deps, options),
          width: 40,
        },
      ];
    case 'deliveries':
      return [
        {
          queue: QUEUE.deliveries,
          workflows: true,
          activities: createDeliveryActivities(deps),
          width: 50,
        },
        // Of its own, so that attempts at slow endpoints can't keep the dispatcher waiting.
        {
          queue: QUEUE.dispatch,
          workflows: false,
          activities: createDispatcherActivities({
            ...deps,
            databaseUrl: deps.config.databaseUrl!,
          }),
          width: 5,
        },
      ];
    case 'processes':
      return [
        {
          queue: QUEUE.processes,
          workflows: true,
          activities: {
            ...createDrainActivities(deps),
            ...createScheduledMessageActivities(deps),
            ...createSweepActivities(deps),
          },
          width: 10,
        },
      ];
  }
}

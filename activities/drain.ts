import { applyLeftReports } from '../db/apply-reports.ts';
import { startUnstarted } from '../db/hand-over-scheduled.ts';
import { claimDeliveries } from '../db/queries/deliveries.ts';
import { claimOutbox } from '../db/queries/outbox.ts';
import { nudgeRunningChannels } from '../db/queries/channel-reconcile.ts';
import type { Deps } from './deps.ts';
import { flagOverdueReceipts } from './receipts.ts';

/** Taken over at once; the rest by the next turn. */
const AT_ONCE = 500;

export interface DrainActivities {
  /** Also flags messages whose reports are overdue. Returns how much was handed over. */
  drain(): Promise<number>;
}

export function createDrainActivities(deps: Deps): DrainActivities {
  return {
    async drain() {
      await deps.relay.startDispatchers?.();
      await flagOverdueReceipts(deps);
      return drainNow(deps);
    },
  };
}

/** Hands to Temporal whatever writers could not: after a crash, or after Temporal was away. */
export async function drainNow(deps: Pick<Deps, 'db' | 'relay' | 'log'>): Promise<number> {
  let handed = 0;
  for (;;) {
    const work = [
      ...(await claimOutbox(deps.db, AT_ONCE)),
      ...(await claimDeliveries(deps.db, AT_ONCE)),
    ];
    if (work.length === 0)
      return (
        handed + (await applyLeftReports(deps, AT_ONCE)) + (await startUnstarted(deps, AT_ONCE))
      );
    for (const pending of work) {
      await deps.relay.flush(pending, { whole: true });
      handed +=
        pending.channels.size +
        pending.ticketStarts.size +
        pending.ticketWakes.size +
        pending.deliveries.length;
    }
  }
}

/** At boot: every channel that should run has its workflow, whatever became of Temporal's own state. */
export async function reconcileChannels(deps: Deps): Promise<void> {
  for (const pending of await nudgeRunningChannels(deps.db)) await deps.relay.flush(pending);
}

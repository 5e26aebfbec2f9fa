import type { ToldTicket } from '../db/queries/policy-changes.ts';
import type { PendingWork, Relay } from '../workflows/contracts/relay.ts';

/** Updates under way at once: the tickets' workers have agents' replies to do as well. */
const PARALLEL = 20;

/**
 * Tells running tickets of a changed policy or calendar, after `queuePolicyChanges` was committed: each by an Update.
 * What can't be told now stays in the outbox, and the drain wakes the ticket to it. Needs no awaiting.
 */
export async function tellPolicyChange(
  relay: Relay,
  pending: PendingWork,
  told: readonly ToldTicket[],
): Promise<void> {
  const queue = told.values();
  const untold = new Set<string>();
  const teller = async () => {
    for (const { ticketId, commandId } of queue) {
      await relay
        .command({ tenantId: pending.tenantId, ticketId }, 'policyChanged', commandId)
        .catch(() => untold.add(ticketId)); // its outbox row stands
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, teller));
  // A told ticket's wake finds nothing left to do; it costs one signal and clears its outbox row.
  await relay.flush(pending);
}

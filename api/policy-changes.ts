import type { Db } from '../db/connection.ts';
import { clearOutbox } from '../db/queries/outbox.ts';
import type { ToldTicket } from '../db/queries/policy-changes.ts';
import type { TenantId } from '../domain/ids.ts';
import { TemporalUnavailable, type PendingWork, type Relay } from '../workflows/contracts/relay.ts';

/** Updates under way at once: the tickets' workers have agents' replies to do as well. */
const PARALLEL = 20;

/**
 * Tells running tickets of a changed policy or calendar, after `queuePolicyChanges` was committed: each by an Update.
 * What can't be told now stays in the outbox, and the drain wakes the ticket to it; so nobody has to wait for this.
 */
export async function tellPolicyChange(
  { db, relay }: { db: Db; relay: Relay },
  pending: PendingWork,
  tickets: readonly ToldTicket[],
): Promise<void> {
  const { tenantId } = pending;
  const queue = tickets.values();
  const told: string[] = [];
  const teller = async () => {
    for (const { ticketId, commandId } of queue) {
      try {
        await relay.command({ tenantId, ticketId }, 'policyChanged', commandId);
        told.push(ticketId);
      } catch (error) {
        if (!(error instanceof TemporalUnavailable)) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, teller));
  const done = told.flatMap((ref) => {
    const version = pending.ticketWakes.get(ref)?.version;
    return version === undefined ? [] : [{ kind: 'ticket_wake' as const, ref, version }];
  });
  await clearOutbox(db, tenantId as TenantId, done);
}

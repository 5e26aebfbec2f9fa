import type { Logger } from '../telemetry/log.ts';
import type { Relay } from '../workflows/contracts/relay.ts';
import type { Db } from './connection.ts';
import {
  claimUnstarted,
  markStarted,
  type UnstartedMessage,
} from './queries/scheduled-messages.ts';

interface Deps {
  readonly db: Db;
  readonly relay: Relay;
}

/** Gives a message set for a time its workflow. @throws where Temporal does not take it; the drain tries again */
export async function startScheduled(deps: Deps, message: UnstartedMessage): Promise<void> {
  if (!deps.relay.startScheduled) return;
  await deps.relay.startScheduled(message);
  await markStarted(deps.db, message);
}

/** The same, where its row is the sure way and the caller does not wait for Temporal. */
export async function startScheduledNow(
  deps: Deps & { readonly log: Logger },
  message: UnstartedMessage,
): Promise<void> {
  try {
    await startScheduled(deps, message);
  } catch (error) {
    deps.log.warn(
      { tenant: message.tenantId, err: error },
      'Temporal did not take a scheduled message; the drain will hand it over',
    );
  }
}

/** Hands over what a crash or Temporal's absence left. Returns how many. */
export async function startUnstarted(deps: Deps, atMost: number): Promise<number> {
  let handed = 0;
  for (;;) {
    const left = await claimUnstarted(deps.db, atMost);
    if (left.length === 0) return handed;
    for (const message of left) await startScheduled(deps, message);
    handed += left.length;
  }
}

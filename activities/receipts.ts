import { flagMissedReceipts, tenantsMissingReceipts } from '../db/queries/missed-receipts.ts';
import { messagesUnconfirmed } from '../telemetry/metrics.ts';
import type { Deps } from './deps.ts';

/** Flags what was accepted and never reported on, over all tenants; what a kill leaves, the next turn does. */
export async function flagOverdueReceipts({
  db,
  relay,
}: Pick<Deps, 'db' | 'relay'>): Promise<void> {
  for (const tenantId of await tenantsMissingReceipts(db)) {
    for (;;) {
      const missed = await flagMissedReceipts(db, tenantId);
      if (missed === null) break;
      for (const provider of missed.flagged) messagesUnconfirmed.inc({ provider });
      await relay.flush(missed.pending);
    }
  }
}

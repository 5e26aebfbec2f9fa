import { flagMissedReceipts, tenantsMissingReceipts } from '../db/queries/missed-receipts.ts';
import type { Deps } from './deps.ts';

/** Flags what was accepted and never reported on, over all tenants; what a kill leaves, the next turn does. */
export async function flagOverdueReceipts({
  db,
  relay,
}: Pick<Deps, 'db' | 'relay'>): Promise<void> {
  for (const tenantId of await tenantsMissingReceipts(db)) {
    for (;;) {
      const pending = await flagMissedReceipts(db, tenantId);
      if (pending === null) break;
      await relay.flush(pending);
    }
  }
}

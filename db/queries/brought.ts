import type { ChannelId, TenantId } from '../../domain/ids.ts';
import type { DeliveryStatus } from '../../providers/contract.ts';
import { inTenant, type Db } from '../connection.ts';
import { Pending } from './outbox.ts';
import { stageInto, type Receipt } from './sources.ts';
import { keepReports, type StatusReport } from './status-reports.ts';

/** A channel that calls of a door are for. */
export interface StagedChannel {
  readonly tenantId: TenantId;
  readonly id: ChannelId;
  readonly provider: string;
}

/** What one call brings. */
export interface Brought {
  readonly receipts: readonly Receipt[];
  /** What it says of our own messages. */
  readonly statuses: readonly DeliveryStatus[];
}

/** What is left to do once it is committed. */
export interface Stored {
  readonly pending: Pending;
  readonly reports: readonly StatusReport[];
}

/**
 * Stores what calls bring, all or nothing of it: after this their senders may be told yes. Follow with
 * `relay.flush(pending)` and `applyReports`.
 */
export async function storeBrought(
  db: Db,
  channel: StagedChannel,
  calls: readonly Brought[],
): Promise<Stored> {
  const { tenantId, id } = channel;
  const pending = new Pending(tenantId);
  const receipts = calls.flatMap((call) => call.receipts);
  const told = calls.flatMap(({ statuses }) => (statuses.length > 0 ? [statuses] : []));
  const reports = await inTenant(db, tenantId, async (tx) => {
    await stageInto(tx, pending, channel, receipts);
    return keepReports(tx, tenantId, id, told);
  });
  return { pending, reports };
}

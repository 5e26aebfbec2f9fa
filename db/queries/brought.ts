import type { ChannelId, TenantId } from '../../domain/ids.ts';
import type { DeliveryStatus } from '../../providers/contract.ts';
import { inTenantAtOnce, type Db } from '../connection.ts';
import { Pending } from './outbox.ts';
import { staging, type Receipt } from './sources.ts';
import { keeping, type StatusReport } from './status-reports.ts';

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
 * Stores what calls bring in one round trip, all or nothing of it: after this their senders may be told yes. Follow with
 * `relay.flush(pending)` and `applyReports`.
 */
export async function storeBrought(
  db: Db,
  channel: StagedChannel,
  calls: readonly Brought[],
): Promise<Stored> {
  const pending = new Pending(channel.tenantId);
  const receipts = calls.flatMap((call) => call.receipts);
  const told = calls.flatMap(({ statuses }) => (statuses.length > 0 ? [statuses] : []));
  const { statements, taken } = staging(db, channel, receipts, (isNew) =>
    pending.nudge(channel.id, channel.provider, isNew),
  );
  const kept = keeping(channel, told);
  const all = [...kept.statements, ...statements];
  const answers = await inTenantAtOnce(db, channel.tenantId, all);
  taken(answers.slice(kept.statements.length));
  return { pending, reports: kept.reports };
}

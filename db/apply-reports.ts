import type { Logger } from '../telemetry/log.ts';
import type { Relay } from '../workflows/contracts/relay.ts';
import type { Db } from './connection.ts';
import { applyStatuses } from './queries/delivery-statuses.ts';
import {
  claimReports,
  forgetReports,
  postponeReports,
  type ChannelReports,
} from './queries/status-reports.ts';

interface Deps {
  readonly db: Db;
  readonly relay: Relay;
  readonly log: Logger;
}

/** Each name that they speak of is a lock of its own until they are applied. */
const MOST_AT_ONCE = 500;

/**
 * Applies kept reports, all in a few transactions; applying them again changes nothing. Never throws: what fails is
 * tried by itself, so that it keeps no other back, and then left to the drain.
 */
export async function applyReports(deps: Deps, of: ChannelReports): Promise<void> {
  const { db, relay, log } = deps;
  const { tenantId, channelId, reports } = of;
  try {
    const statuses = reports.flatMap((report) => report.statuses);
    for (let from = 0; from < statuses.length; from += MOST_AT_ONCE) {
      const some = statuses.slice(from, from + MOST_AT_ONCE);
      await relay.flush(await applyStatuses(db, tenantId, channelId, some));
    }
    await forgetReports(db, of);
  } catch (error) {
    if (reports.length > 1)
      for (const report of reports) await applyReports(deps, { ...of, reports: [report] });
    else {
      log.error({ channel: channelId, err: error }, 'a delivery report is left to the drain');
      await postponeReports(db, of, String(error)).catch((failed: unknown) => {
        log.warn({ channel: channelId, err: failed }, 'its lease will end by itself');
      });
    }
  }
}

/** Applies what a crash left, or what could not be applied. Returns of how many calls. */
export async function applyLeftReports(deps: Deps, atMost: number): Promise<number> {
  let applied = 0;
  for (;;) {
    const left = await claimReports(deps.db, atMost);
    if (left.length === 0) return applied;
    for (const reports of left) {
      await applyReports(deps, reports);
      applied += reports.reports.length;
    }
  }
}

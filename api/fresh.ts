import { setTimeout as sleep } from 'node:timers/promises';
import { requestSync } from '../db/queries/channel-changes.ts';
import type { ChannelRow } from '../db/queries/channels.ts';
import { readFreshness, type Freshness } from '../db/queries/freshness.ts';
import type { TenantId } from '../domain/ids.ts';
import { findProvider } from '../providers/registry.ts';
import type { ApiDeps } from './deps.ts';

const AT_MOST_MS = 10_000;
const LOOK_EVERY_MS = 100;

/** How syncs ended, by channel: those that failed, and those that had not ended in time. */
export interface SyncOutcome {
  readonly failed: readonly string[];
  readonly late: readonly string[];
}

/**
 * Syncs the running channels and waits until what they brought is readable, ten seconds at most. A channel whose sync
 * fails is waited for no longer.
 */
export async function syncFirst(
  deps: ApiDeps,
  tenantId: TenantId,
  wanted: { channelId?: string; provider?: string },
  signal: AbortSignal,
): Promise<SyncOutcome> {
  const until = Date.now() + AT_MOST_MS;
  const { rows, pending } = await requestSync(deps.db, tenantId, wanted);
  if (rows.length === 0) return { failed: [], late: [] };
  await deps.relay.flush(pending);
  const failed = new Set<string>();
  const waiting = new Map(rows.map((row) => [row.id, row]));
  while (waiting.size > 0) {
    const seen = await readFreshness(deps.db, tenantId, [...waiting.keys()]);
    for (const now of seen) {
      const row = waiting.get(now.id)!;
      if (hasFailed(row, now)) failed.add(row.id);
      if (hasFailed(row, now) || isFresh(row, now)) waiting.delete(row.id);
    }
    if (Date.now() >= until || signal.aborted) break;
    if (waiting.size > 0) await sleep(LOOK_EVERY_MS);
  }
  return { failed: [...failed], late: [...waiting.keys()] };
}

/** A sync that began after it was asked for has ended; or nothing is staged at a door, where all there is is here already. */
function isFresh({ provider, sync_requested: requested }: ChannelRow, now: Freshness): boolean {
  const isRead = findProvider(provider)?.mailbox !== undefined;
  return now.answered >= requested || (!isRead && now.staged === 0);
}

function hasFailed({ last_error: error }: ChannelRow, { failedAt }: Freshness): boolean {
  return failedAt !== null && failedAt !== error?.at;
}

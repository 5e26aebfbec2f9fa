import { setTimeout as sleep } from 'node:timers/promises';
import { requestSync } from '../db/queries/channel-changes.ts';
import { readFreshness } from '../db/queries/freshness.ts';
import type { TenantId } from '../domain/ids.ts';
import { findProvider } from '../providers/registry.ts';
import type { ApiDeps } from './deps.ts';

const AT_MOST_MS = 10_000;
const LOOK_EVERY_MS = 100;
/** A sync that brought nothing new for so long has brought what there was. */
const QUIET_LOOKS = 4;

/** Syncs the running channels and waits until what they brought is readable, ten seconds at most. */
export async function syncFirst(
  deps: ApiDeps,
  tenantId: TenantId,
  wanted: { channelId?: string; provider?: string },
  signal: AbortSignal,
): Promise<void> {
  const until = Date.now() + AT_MOST_MS;
  const { rows, pending } = await requestSync(deps.db, tenantId, wanted);
  if (rows.length === 0) return;
  const ids = rows.map((row) => row.id);
  const reads = rows.some((row) => findProvider(row.provider)?.mailbox !== undefined);
  let before = await readFreshness(deps.db, tenantId, ids);
  const first = before;
  await deps.relay.flush(pending);
  for (let quiet = 0; quiet < QUIET_LOOKS && Date.now() < until && !signal.aborted;) {
    await sleep(LOOK_EVERY_MS);
    const now = await readFreshness(deps.db, tenantId, ids);
    const begun = !reads || now.syncs > first.syncs;
    const still = now.staged === 0 && now.received === before.received;
    quiet = begun && still ? quiet + 1 : 0;
    before = now;
  }
}

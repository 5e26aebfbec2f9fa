import { setTimeout as sleep } from 'node:timers/promises';
import { openSecrets, type ChannelRow } from '../../db/queries/channels.ts';
import {
  channelsWithoutDoorKeys,
  keepDoorKeys,
  type DoorHashes,
} from '../../db/queries/door-keys.ts';
import type { ChannelId, TenantId } from '../../domain/ids.ts';
import type { ChannelProvider } from '../../providers/contract.ts';
import { providers } from '../../providers/registry.ts';
import { mergeSecrets } from '../../security/settings-secrets.ts';
import type { ApiDeps } from '../deps.ts';
import { doorHashesOf } from './door-keys.ts';

// Channels from before there were door keys, from a process of an older release, or under a key of the ring that is no
// longer the first.

const BATCH = 500;
/** A process of an older release may still write some while it is being replaced. */
const EVERY_MS = 10 * 60_000;
const AFTER_FAILURE_MS = 15_000;

type Deps = Pick<ApiDeps, 'db' | 'keys' | 'log'>;

/** Makes what is missing, a tenant at a time: what a kill leaves, the next turn does. */
export async function makeMissingDoorKeys(
  deps: Deps,
  all: readonly ChannelProvider[] = providers,
  limit = BATCH,
): Promise<void> {
  const names = all.filter(({ door }) => door?.keys).map(({ manifest }) => manifest.name);
  let after = '';
  for (;;) {
    const batch = { after, limit };
    const found = await channelsWithoutDoorKeys(deps.db, names, deps.keys.currentId, batch);
    for (const [tenantId, theirs] of Map.groupBy(found, (one) => one.tenantId)) {
      const ids = theirs.map(({ channelId }) => channelId);
      await makeDoorKeys(deps, tenantId, ids, all);
    }
    if (found.length < limit) return;
    after = found.at(-1)!.channelId;
  }
}

/** Of these channels, whether they have them or not. */
export async function makeDoorKeys(
  deps: Deps,
  tenantId: TenantId,
  channelIds: readonly ChannelId[],
  all: readonly ChannelProvider[] = providers,
): Promise<void> {
  await keepDoorKeys(deps.db, tenantId, channelIds, (row) => hashesOf(deps, all, row));
}

/** Null, and a word in the log, where the secrets can't be opened or no longer fit: then its door can't be used either. */
function hashesOf(
  { keys, log }: Deps,
  all: readonly ChannelProvider[],
  row: Pick<ChannelRow, 'id' | 'provider' | 'settings' | 'secrets'>,
): DoorHashes | null {
  const provider = all.find(({ manifest }) => manifest.name === row.provider);
  if (!provider?.door?.keys) return null;
  try {
    const settings = mergeSecrets(row.settings, openSecrets(row, keys));
    return doorHashesOf(provider, provider.manifest.settings.parse(settings), keys);
  } catch (error) {
    log.warn({ err: error, channel: row.id }, 'a channel’s door keys can’t be made');
    return null;
  }
}

/** Makes them now and from time to time. Returns its end. */
export function startDoorKeyLoop(deps: Deps): () => Promise<void> {
  const stopping = new AbortController();
  const loop = async () => {
    for (;;) {
      const wait = await makeMissingDoorKeys(deps).then(
        () => EVERY_MS,
        (error: unknown) => {
          deps.log.warn({ err: error }, 'door keys of channels can’t be made just now');
          return AFTER_FAILURE_MS;
        },
      );
      await sleep(wait, undefined, { signal: stopping.signal });
    }
  };
  const ended = loop().catch((error: unknown) => {
    if (!stopping.signal.aborted) throw error;
  });
  return async () => {
    stopping.abort();
    await ended;
  };
}

import { answerSyncs } from '../db/queries/channel-state.ts';
import type { LoadedChannel } from '../db/queries/channels.ts';
import { ASK_AGAIN_MS, worstRefusal } from '../domain/refusal.ts';
import { isChat } from '../providers/chat-provider.ts';
import { measuredCall } from '../telemetry/provider-calls.ts';
import type { MailboxSyncActivities } from '../workflows/contracts/mailbox-activities.ts';
import { refreshHealth } from './account-health.ts';
import { refusalsNow } from './channel-trials.ts';
import { fetchMissingFiles } from './chat-media.ts';
import type { Deps } from './deps.ts';
import { providerErrors } from './failures.ts';
import { ingestStaged } from './ingestion.ts';
import { callOf, heartbeat, load, providerOf } from './mailbox-call.ts';
import { Oldest, syncFolder } from './mailbox-folder.ts';
import type { ProviderOptions } from './provider-options.ts';
import { refreshTemplates } from './templates.ts';

/** On every provider's own queue. */
export function createMailboxSyncActivities(
  deps: Deps,
  options: ProviderOptions = {},
): MailboxSyncActivities {
  return {
    async syncMailbox(ref) {
      return providerErrors(async () => {
        const channel = await load(deps, ref);
        if (channel?.desiredState !== 'running') return { received: 0 };
        const synced = await syncChannel(deps, channel, options);
        const { facts, syncRequested, syncAnswered } = channel;
        if (syncRequested > syncAnswered)
          await answerSyncs(deps.db, facts.tenantId, facts.id, syncRequested);
        return synced;
      });
    },
  };
}

/** What lies here staged, what is still to be fetched, then the mailbox itself. */
async function syncChannel(
  deps: Deps,
  loaded: LoadedChannel,
  options: ProviderOptions,
): ReturnType<MailboxSyncActivities['syncMailbox']> {
  const provider = providerOf(loaded, options);
  const ingest = () => ingestStaged(deps, loaded, heartbeat, options.findProvider);
  let received = await ingest();
  const refusals = await refusalsNow(deps, loaded, provider, heartbeat);
  const channel = { ...loaded, refusals };
  const again = isChat(provider)
    ? await fetchMissingFiles(deps, channel, provider, heartbeat, async () => {
        received += await ingest();
      })
    : null;
  const ready = () => callOf(deps, provider, channel);
  const unread = await refreshTemplates(deps, channel, provider, ready);
  await refreshHealth(deps, channel, provider, ready);
  const told = worstRefusal(refusals);
  const soonest = Math.min(
    again ?? Infinity,
    unread ?? Infinity,
    told ? ASK_AGAIN_MS / 1000 : Infinity,
  );
  const later = {
    ...(soonest !== Infinity && { againSeconds: soonest }),
    ...(told && { refusal: told }),
  };
  if (!provider.mailbox) return { received, ...later };
  const call = await callOf(deps, provider, channel);
  const oldest = new Oldest();
  for (const folder of provider.mailbox.folders(call.settings)) {
    received += await measuredCall(channel.provider, 'sync', () =>
      syncFolder(deps, channel, provider.mailbox!, call, folder, oldest),
    );
  }
  return { received, ...oldest.told(), ...later };
}

import { Context } from '@temporalio/activity';
import { storedChannelCall } from '../db/channel-call.ts';
import { inTenant } from '../db/connection.ts';
import { putBlob } from '../db/queries/blobs.ts';
import {
  answerSyncs,
  isRunning,
  recordChannelState,
  recordImport,
} from '../db/queries/channel-state.ts';
import { endWatch } from '../db/queries/channel-watch.ts';
import { loadChannel, loadChannelOrRemains, type LoadedChannel } from '../db/queries/channels.ts';
import {
  acquireCursor,
  advanceCursor,
  readCursor,
  stageReceipts,
  type Staged,
} from '../db/queries/sources.ts';
import type { ChannelId, SourceId, TenantId } from '../domain/ids.ts';
import { ASK_AGAIN_MS, worstRefusal } from '../domain/refusal.ts';
import type {
  ChannelProvider,
  FetchedBatch,
  MailboxCapability,
  ProviderCall,
} from '../providers/contract.ts';
import { isChat } from '../providers/chat-provider.ts';
import { findProvider } from '../providers/registry.ts';
import { subscriptionOf } from '../providers/subscription.ts';
import { measuredCall } from '../telemetry/provider-calls.ts';
import type {
  MailboxPlan,
  MailboxStateActivities,
  MailboxSyncActivities,
  MailboxWaitActivities,
  Watch,
} from '../workflows/contracts/mailbox-activities.ts';
import type { MailboxRef } from '../workflows/contracts/mailbox.ts';
import type { Deps } from './deps.ts';
import { refusalsNow } from './channel-trials.ts';
import { fetchMissingFiles } from './chat-media.ts';
import { providerErrors } from './failures.ts';
import { ingestStaged, Ingestion, type HeldSources } from './ingestion.ts';
import { lookingEvery } from './mailbox-looking.ts';
import type { ProviderOptions } from './provider-options.ts';
import { refreshHealth } from './account-health.ts';
import { refreshTemplates } from './templates.ts';

/** A door is swept now and then for what a lost nudge left. */
const DOOR_SWEEP_SECONDS = 6 * 3600;
const POLL_SECONDS = 300;

export function createMailboxStateActivities(
  deps: Deps,
  options: ProviderOptions = {},
): MailboxStateActivities {
  return {
    async loadMailbox(ref): Promise<MailboxPlan> {
      const channel = await loadChannelOrRemains(
        deps.db,
        deps.keys,
        ref.tenantId as TenantId,
        ref.channelId,
      );
      if (!channel)
        return { desired: 'stopped', provider: '', isRead: false, canWait: false, sweepSeconds: 0 };
      const provider = providerOf(channel, options);
      const { mailbox } = provider;
      const { renew, release } = subscriptionOf(provider);
      return {
        desired: channel.desiredState,
        provider: channel.provider,
        isRead: mailbox !== undefined,
        canWait: mailbox?.wait !== undefined,
        sweepSeconds: mailbox ? pollSeconds(channel) : DOOR_SWEEP_SECONDS,
        polls: mailbox !== undefined && mailbox.wait === undefined,
        renews: renew !== undefined,
        watch: watchOf(channel),
        releases: release !== undefined && channel.watchRenewedAt !== null,
      };
    },

    async forgetWatch(ref, why) {
      const channel = { tenantId: ref.tenantId as TenantId, id: ref.channelId as ChannelId };
      deps.log.warn(
        { tenant: ref.tenantId, channel: ref.channelId, reason: why },
        'a push subscription could not be ended at the vendor; it is left to expire',
      );
      await endWatch(deps.db, channel);
    },

    async recordMailboxState(ref, report) {
      const pending = await recordChannelState(
        deps.db,
        ref.tenantId as TenantId,
        ref.channelId as ChannelId,
        report,
      );
      await deps.relay.flush(pending);
    },
  };
}

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

export function createMailboxWaitActivities(
  deps: Deps,
  options: ProviderOptions = {},
): MailboxWaitActivities {
  return {
    async waitForMail(ref, seconds) {
      return providerErrors(
        async () => {
          const channel = await load(deps, ref);
          if (channel?.desiredState !== 'running') return 'timeout';
          const provider = providerOf(channel, options);
          const mailbox = provider.mailbox;
          if (!mailbox) return 'timeout';
          const wait = mailbox.wait ?? lookingEvery(pollSeconds(channel), mailbox);
          const stop = new AbortController();
          const call = await callOf(deps, provider, channel, stop.signal);
          const until = Date.now() + seconds * 1000;
          const waits = mailbox.folders(call.settings).map(async (folder) => {
            const cursor = await readCursor(
              deps.db,
              channel.facts.tenantId,
              channel.facts.id,
              folder,
            );
            return wait(call, folder, cursor, until);
          });
          try {
            return await Promise.race(waits);
          } finally {
            stop.abort();
            await Promise.allSettled(waits);
          }
        },
        { once: true },
      );
    },
  };
}

/**
 * One folder: each batch is stored and the cursor moved in one transaction, then ingested while the next ones are
 * fetched. A kill at any moment leaves either both or neither; what was stored but not ingested is staged.
 */
async function syncFolder(
  deps: Deps,
  channel: LoadedChannel,
  mailbox: MailboxCapability<unknown>,
  call: ProviderCall<unknown>,
  folder: string,
  oldest: Oldest,
): Promise<number> {
  const { tenantId, id } = channel.facts;
  const lease = await acquireCursor(deps.db, tenantId, id, folder);
  const held: HeldSources = new Map();
  const ingestion = new Ingestion(deps, channel, heartbeat, held);
  let taking: Promise<void> = Promise.resolve();
  try {
    for await (const batch of mailbox.fetch(call, folder, lease.cursor)) {
      const fresh = await storeBatch(batch);
      if (fresh === null) break;
      heartbeat();
      await batch.stored?.();
      await taking;
      if (fresh.size > 0) taking = ingestion.takeStaged();
      // It is awaited a batch later; without this a failure in between would count as unhandled.
      taking.catch(() => {});
    }
    await taking;
    return await ingestion.end();
  } finally {
    await taking.catch(() => {});
    await ingestion.settled();
  }

  /** Null where the channel runs no more. */
  async function storeBatch(batch: FetchedBatch): Promise<ReadonlySet<SourceId> | null> {
    const receipts = await Promise.all(
      batch.items.map(async (item) => ({
        ...item,
        source: await inMemoryOrStored(deps, tenantId, item.source),
      })),
    );
    return inTenant(deps.db, tenantId, async (tx) => {
      if (!(await isRunning(tx, id))) return null;
      const staged = await stageReceipts(tx, tenantId, id, receipts);
      await advanceCursor(tx, id, lease, batch.cursor);
      if (batch.progress) await recordImport(tx, id, batch.progress);
      // Before the commit: an ingestion under way may see the sources right after it.
      hold(staged, batch);
      return staged.fresh;
    });
  }

  function hold({ sourceIds, fresh }: Staged, { items }: FetchedBatch): void {
    for (const [place, { source, receivedAt }] of items.entries()) {
      const id = sourceIds[place]!;
      if (fresh.has(id)) oldest.note(receivedAt);
      if (Buffer.isBuffer(source) && fresh.has(id)) held.set(id, source);
    }
  }
}

/** When the oldest mail of a sync reached the vendor. */
class Oldest {
  #at: Date | null = null;

  note(at: Date): void {
    if (this.#at === null || at < this.#at) this.#at = at;
  }

  told(): { oldestAt?: string } {
    return this.#at === null ? {} : { oldestAt: this.#at.toISOString() };
  }
}

async function inMemoryOrStored(
  deps: Deps,
  tenantId: TenantId,
  source: FetchedBatch['items'][number]['source'],
) {
  if (Buffer.isBuffer(source)) return source;
  return putBlob(deps.db, tenantId, source, deps.config.smtp.maxBytes);
}

function watchOf({ watchRenewedAt, watchExpiresAt }: LoadedChannel): Watch | null {
  return watchRenewedAt && watchExpiresAt
    ? { renewedAt: watchRenewedAt.toISOString(), expiresAt: watchExpiresAt.toISOString() }
    : null;
}

function load(deps: Deps, ref: MailboxRef): Promise<LoadedChannel | null> {
  return loadChannel(deps.db, deps.keys, ref.tenantId as TenantId, ref.channelId);
}

export function providerOf(channel: LoadedChannel, options: ProviderOptions): ChannelProvider {
  const provider = (options.findProvider ?? findProvider)(channel.provider);
  if (!provider) throw new Error(`No provider is called "${channel.provider}".`);
  return provider;
}

export async function callOf(
  deps: Deps,
  provider: ChannelProvider,
  channel: LoadedChannel,
  alsoStop?: AbortSignal,
): Promise<ProviderCall<unknown>> {
  const cancelled = Context.current().cancellationSignal;
  return storedChannelCall(deps, provider, channel, {
    signal: alsoStop ? AbortSignal.any([cancelled, alsoStop]) : cancelled,
    heartbeat,
  });
}

function pollSeconds(channel: LoadedChannel): number {
  const seconds = channel.settings['poll_seconds'];
  return typeof seconds === 'number' ? seconds : POLL_SECONDS;
}

export function heartbeat(progress?: unknown): void {
  const context = Context.current();
  context.heartbeat(progress);
  context.cancellationSignal.throwIfAborted();
}

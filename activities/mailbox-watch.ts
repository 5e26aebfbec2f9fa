import { Context } from '@temporalio/activity';
import { noticingRefusals } from '../db/noticing-refusals.ts';
import { endWatch, keepWatch, noteRenewal } from '../db/queries/channel-watch.ts';
import { loadChannelOrRemains, type LoadedChannel } from '../db/queries/channels.ts';
import type { TenantId } from '../domain/ids.ts';
import { subscriptionOf } from '../providers/subscription.ts';
import { measuredCall } from '../telemetry/provider-calls.ts';
import type { MailboxWatchActivities } from '../workflows/contracts/mailbox-activities.ts';
import type { MailboxRef } from '../workflows/contracts/mailbox.ts';
import type { Deps } from './deps.ts';
import { providerErrors } from './failures.ts';
import { heartbeating } from './heartbeating.ts';
import { callOf, providerOf } from './mailbox-call.ts';
import type { ProviderOptions } from './provider-options.ts';

const SIGN_OF_LIFE_MS = 5_000;

/** Push subscriptions: made, renewed and ended. On every provider's own queue. */
export function createMailboxWatchActivities(
  deps: Deps,
  options: ProviderOptions = {},
): MailboxWatchActivities {
  return {
    renewWatch: (ref) =>
      alive(async () => {
        const channel = await load(deps, ref);
        if (channel?.desiredState !== 'running') return null;
        const provider = providerOf(channel, options);
        const { renew, release } = subscriptionOf(provider);
        if (!renew) return null;
        await noteRenewal(deps.db, channel.facts);
        const call = await callOf(deps, provider, channel);
        const ask = () => measuredCall(channel.provider, 'renew', () => renew(call));
        // A mailbox whose push is refused is looked into; a door is shut then.
        const watch = provider.mailbox
          ? await ask()
          : await noticingRefusals(deps, channel, 'renew', ask);
        if (watch === null) {
          // One that was made before the settings wanted none.
          if (channel.watchRenewedAt !== null) await release?.(call);
          await keepWatch(deps.db, channel.facts, null);
          return null;
        }
        // The server's clock, by which the workflow goes.
        const renewedAt = new Date(Context.current().info.currentAttemptScheduledTimestampMs);
        await keepWatch(deps.db, channel.facts, { ...watch, renewedAt });
        return { renewedAt: renewedAt.toISOString(), expiresAt: watch.expiresAt.toISOString() };
      }),

    releaseWatch: (ref) =>
      alive(async () => {
        const channel = await load(deps, ref);
        if (!channel || channel.desiredState !== 'stopped') return;
        const provider = providerOf(channel, options);
        const call = await callOf(deps, provider, channel);
        await subscriptionOf(provider).release?.(call);
        await endWatch(deps.db, channel.facts);
      }),
  };
}

function load(deps: Deps, ref: MailboxRef): Promise<LoadedChannel | null> {
  return loadChannelOrRemains(deps.db, deps.keys, ref.tenantId as TenantId, ref.channelId);
}

/** Heartbeats while the vendor is asked. */
function alive<T>(work: () => Promise<T>): Promise<T> {
  return heartbeating(SIGN_OF_LIFE_MS, () => providerErrors(work));
}

import { recordChannelState } from '../db/queries/channel-state.ts';
import { endWatch } from '../db/queries/channel-watch.ts';
import { loadChannelOrRemains, type LoadedChannel } from '../db/queries/channels.ts';
import type { ChannelId, TenantId } from '../domain/ids.ts';
import { subscriptionOf } from '../providers/subscription.ts';
import type {
  MailboxPlan,
  MailboxStateActivities,
  Watch,
} from '../workflows/contracts/mailbox-activities.ts';
import type { Deps } from './deps.ts';
import { pollSeconds, providerOf } from './mailbox-call.ts';
import type { ProviderOptions } from './provider-options.ts';

/** A door is swept now and then for what a lost nudge left. */
const DOOR_SWEEP_SECONDS = 6 * 3600;

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

function watchOf({ watchRenewedAt, watchExpiresAt }: LoadedChannel): Watch | null {
  return watchRenewedAt && watchExpiresAt
    ? { renewedAt: watchRenewedAt.toISOString(), expiresAt: watchExpiresAt.toISOString() }
    : null;
}

import { storedChannelCall } from '../../db/channel-call.ts';
import { inTenant } from '../../db/connection.ts';
import { refuseTaken } from '../../db/queries/channel-accounts.ts';
import { keepWatch } from '../../db/queries/channel-watch.ts';
import { findChannel, openChannel } from '../../db/queries/channels.ts';
import type { TenantId } from '../../domain/ids.ts';
import { findProvider } from '../../providers/registry.ts';
import { subscriptionOf } from '../../providers/subscription.ts';
import type { ApiDeps } from '../deps.ts';
import {
  accountOf,
  checkSettings,
  isSoleOfAccount,
  patchedSettings,
  tokensToForget,
} from './settings.ts';

const BOUND_MS = 10_000;

/**
 * Settings that lead to another account: the push subscription of the former one is ended first, while there are
 * credentials for it. Where that fails it is left to expire, and the log says so.
 * @throws Problem 422 where the settings don't fit; AccountTaken where another channel is of the new account
 */
export async function releaseFormerAccount(
  deps: ApiDeps,
  tenantId: TenantId,
  channelId: string,
  patch: Record<string, unknown>,
): Promise<void> {
  const row = await findChannel(deps.db, tenantId, channelId);
  const provider = row && findProvider(row.provider);
  const release = provider && subscriptionOf(provider).release;
  if (!row?.watch_renewed_at || !release) return;
  const next = checkSettings(provider, patchedSettings(row, patch, deps.keys), row.id, deps.keys);
  const account = accountOf(provider, next, row.address);
  const isOther = tokensToForget(row, next, deps.keys) === 'all' || account !== row.account;
  if (!isOther) return;
  if (isSoleOfAccount(provider) && account !== null && account !== row.account)
    await inTenant(deps.db, tenantId, (tx) =>
      refuseTaken(tx, tenantId, { id: row.id, provider: row.provider, account }),
    );
  const channel = openChannel(row, deps.keys);
  const signal = AbortSignal.timeout(BOUND_MS);
  try {
    await release(await storedChannelCall(deps, provider, channel, { signal }));
    await keepWatch(deps.db, channel.facts, null);
  } catch (error) {
    deps.log.warn(
      { err: error, tenant: tenantId, channel: row.id },
      'a push subscription of a former account could not be ended; it is left to expire',
    );
  }
}

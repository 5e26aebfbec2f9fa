import type { Config } from '../config/config.ts';
import { createCall } from '../providers/call.ts';
import { withInstallationApp } from '../providers/environment.ts';
import type { ChannelProvider, ProviderCall } from '../providers/contract.ts';
import type { KeyRing } from '../security/key-ring.ts';
import type { GuardedNetwork } from '../security/ssrf-guard.ts';
import type { Logger } from '../telemetry/log.ts';
import type { TenantId } from '../domain/ids.ts';
import { StoredLimits } from './account-limits.ts';
import { StoredTokens } from './account-tokens.ts';
import type { Db } from './connection.ts';
import type { LoadedChannel } from './queries/channels.ts';
import { knownProviderIds } from './queries/sources.ts';

export interface ChannelCallDeps {
  readonly config: Config;
  readonly db: Db;
  readonly keys: KeyRing;
  readonly network: (tenantId: TenantId) => Promise<GuardedNetwork>;
  readonly log: Logger;
}

/**
 * What a capability is called with for a stored channel: its tokens and limits are those of all processes.
 * @throws ZodError where its settings no longer fit the provider
 */
export async function storedChannelCall(
  deps: ChannelCallDeps,
  provider: ChannelProvider,
  channel: LoadedChannel,
  { signal, heartbeat }: { signal: AbortSignal; heartbeat?: (progress?: unknown) => void },
): Promise<ProviderCall<unknown>> {
  const { tenantId, id } = channel.facts;
  const account = `${channel.provider}/${channel.account ?? id}`;
  const beat = heartbeat && (() => heartbeat());
  const settings = withInstallationApp(
    provider.manifest,
    channel.settings,
    deps.config.environment,
  );
  return createCall(provider, {
    channel: { ...channel, settings },
    network: await deps.network(tenantId),
    log: deps.log,
    signal,
    heartbeat,
    maxBytes: deps.config.smtp.maxBytes,
    known: (ids) => knownProviderIds(deps.db, tenantId, id, ids),
    tokens: new StoredTokens({ ...deps, signal, heartbeat: beat }, { tenantId, id }),
    limits: new StoredLimits({ ...deps, signal, heartbeat: beat }, { tenantId, account }),
    watch: channel.watch,
    doorUrl: doorUrl(deps.config, provider, id),
  });
}

/** Where a vendor reaches the channel's door; null where the installation has no public address. */
function doorUrl(config: Config, provider: ChannelProvider, channelId: string): string | null {
  if (!provider.door || config.environment['POSTROOM_PUBLIC_URL'] === undefined) return null;
  return doorAddress(config, provider, channelId);
}

/** The address of a door: one for all channels of a vendor that calls one address, else one for each. */
export function doorAddress(
  { publicUrl }: Pick<Config, 'publicUrl'>,
  { manifest, door }: ChannelProvider,
  channelId: string,
): string {
  const ofAll = `${publicUrl}/ingress/${manifest.name}`;
  return door?.accounts ? ofAll : `${ofAll}/${channelId}`;
}

import type { Config } from '../config/config.ts';
import { createCall } from '../providers/call.ts';
import { withInstallationApp } from '../providers/environment.ts';
import type { ChannelProvider, ProviderCall } from '../providers/contract.ts';
import type { KeyRing } from '../security/key-ring.ts';
import type { GuardedNetwork } from '../security/ssrf-guard.ts';
import type { Logger } from '../telemetry/log.ts';
import type { TenantId } from '../domain/ids.ts';
import { StoredLimits } from './account-limits.ts';
import { awaitTurn } from './account-pace.ts';
import { StoredTokens } from './account-tokens.ts';
import type { Db } from './connection.ts';
import type { LoadedChannel } from './queries/channels.ts';
import { accountSharers } from './queries/account-sharers.ts';
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
  const perSecond = channel.health?.messages_a_second ?? provider.chat?.pace?.perSecond;
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
    sharers: () => accountSharers(deps.db, { ...channel, id }),
    tokens: new StoredTokens({ ...deps, signal, heartbeat: beat }, { tenantId, id }),
    limits: new StoredLimits({ ...deps, signal, heartbeat: beat }, { tenantId, account }),
    ...(perSecond && {
      turn: () => awaitTurn({ db: deps.db, signal }, { tenantId, account }, perSecond),
    }),
    watch: channel.watch,
    doorUrl: doorUrl(deps.config, provider, id, settings),
  });
}

/** Where a vendor reaches the channel's door; null where the installation has no address that it can reach. */
function doorUrl(
  config: Config,
  provider: ChannelProvider,
  channelId: string,
  settings: unknown,
): string | null {
  if (!provider.door) return null;
  const isPublic = config.environment['POSTROOM_PUBLIC_URL'] !== undefined;
  return isPublic || isOnThisMachine(settings) ? doorAddress(config, provider, channelId) : null;
}

/** A simulator beside us reaches us where we listen. */
function isOnThisMachine(settings: unknown): boolean {
  const { base_url: url } = (settings ?? {}) as { base_url?: unknown }; // a common, optional setting
  if (typeof url !== 'string' || !URL.canParse(url)) return false;
  return ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(url).hostname);
}

/** The address of a door: one for all channels of a vendor that calls one address, else one for each. */
export function doorAddress(
  { publicUrl }: Pick<Config, 'publicUrl'>,
  { manifest, door }: ChannelProvider,
  channelId: string,
): string {
  return door?.accounts
    ? `${publicUrl}/ingress/${door.sharedAs ?? manifest.name}`
    : `${publicUrl}/ingress/${manifest.name}/${channelId}`;
}

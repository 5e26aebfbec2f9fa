import type { ChannelFacts, ChannelProvider, ProviderCall } from './contract.ts';

/** Per request to a provider, unless the channel's `timeout_seconds` says otherwise. */
const REQUEST_TIMEOUT_MS = 30_000;

type Ways = Pick<ProviderCall<unknown>, 'network' | 'log' | 'signal' | 'maxBytes'>;

export interface CallParts extends Ways {
  readonly channel: { readonly facts: ChannelFacts; readonly settings: unknown };
  /** Left out where nobody waits for a sign of life. */
  readonly heartbeat?: (progress?: unknown) => void;
}

/**
 * What a capability of `provider` is called with; the channel's settings are parsed by the provider's own schema.
 * @throws ZodError where stored settings no longer fit it.
 */
export function createCall<Settings>(
  provider: ChannelProvider<Settings>,
  { channel, network, log, signal, maxBytes, heartbeat = () => {} }: CallParts,
): ProviderCall<Settings> {
  const settings = provider.manifest.settings.parse(channel.settings);
  return {
    channel: channel.facts,
    settings,
    network,
    signal,
    log: log.child({ channel: channel.facts.id, tenant: channel.facts.tenantId }),
    heartbeat,
    timeoutMs: requestTimeoutMs(settings),
    maxBytes,
  };
}

function requestTimeoutMs(settings: unknown): number {
  const seconds = (settings as { timeout_seconds?: unknown } | null)?.timeout_seconds; // a common, optional setting
  return typeof seconds === 'number' ? seconds * 1000 : REQUEST_TIMEOUT_MS;
}

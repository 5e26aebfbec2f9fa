import type {
  AccountLimits,
  AccountTokens,
  ChannelFacts,
  ChannelProvider,
  ProviderCall,
} from './contract.ts';

/** Per request to a provider, unless the channel's `timeout_seconds` says otherwise. */
const REQUEST_TIMEOUT_MS = 30_000;

type Ways = Pick<
  ProviderCall<unknown>,
  'network' | 'log' | 'signal' | 'maxBytes' | 'known' | 'sharers'
>;

export interface CallParts extends Ways {
  readonly channel: { readonly facts: ChannelFacts; readonly settings: unknown };
  /** Left out where nobody waits for a sign of life. */
  readonly heartbeat?: (progress?: unknown) => void;
  /** Left out where a channel is not stored yet: nothing is kept beyond the call. */
  readonly tokens?: AccountTokens;
  readonly limits?: AccountLimits;
  readonly turn?: () => Promise<void>;
  readonly watch?: unknown;
  readonly doorUrl?: string | null;
}

/**
 * What a capability of `provider` is called with; the channel's settings are parsed by the provider's own schema.
 * @throws ZodError where stored settings no longer fit it.
 */
export function createCall<Settings>(
  provider: ChannelProvider<Settings>,
  {
    channel,
    network,
    log,
    signal,
    maxBytes,
    known,
    sharers,
    heartbeat = () => {},
    tokens = passingTokens(),
    limits = noLimits,
    turn,
    watch = null,
    doorUrl = null,
  }: CallParts,
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
    known,
    sharers,
    tokens,
    limits,
    ...(turn && { turn }),
    watch,
    doorUrl,
  };
}

/** Tokens for the length of one call. */
export function passingTokens(): AccountTokens {
  let token: Promise<string> | null = null;
  return {
    access: (obtain) =>
      (token ??= obtain({ refreshToken: null }).then(
        ({ accessToken }) => accessToken,
        (error: unknown) => {
          token = null; // what failed is tried anew
          throw error;
        },
      )),
    refuse: () => {
      token = null;
      return Promise.resolve();
    },
  };
}

export const noLimits: AccountLimits = {
  slot: (_most, work) => work(),
  pause: () => Promise.resolve(),
};

function requestTimeoutMs(settings: unknown): number {
  const seconds = (settings as { timeout_seconds?: unknown } | null)?.timeout_seconds; // a common, optional setting
  return typeof seconds === 'number' ? seconds * 1000 : REQUEST_TIMEOUT_MS;
}

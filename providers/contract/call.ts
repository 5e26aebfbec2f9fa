import type { ChannelId, TenantId } from '../../domain/ids.ts';
import type { GuardedNetwork } from '../../security/ssrf-guard.ts';
import type { Logger } from '../../telemetry/log.ts';

/** What every capability is given: unsealed settings of one channel, and the ways out of the process. */
export interface ProviderCall<Settings> {
  readonly channel: ChannelFacts;
  readonly settings: Settings;
  /** The only way to reach a host that a user named. */
  readonly network: GuardedNetwork;
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Says that the work goes on; throws when it was cancelled. */
  readonly heartbeat: (progress?: unknown) => void;
  /** Per request, in milliseconds. */
  readonly timeoutMs: number;
  /** Largest mail taken whole, in bytes; of a larger one only the headers, with `meta.oversize`. Default 50 MiB. */
  readonly maxBytes?: number;
  /** Which of these provider message ids the channel has stored already. Left out where nothing is stored. */
  readonly known?: (providerMessageIds: readonly string[]) => Promise<ReadonlySet<string>>;
  /**
   * Settings, without secrets and as they were written, of other channels that read the same account: some vendors have
   * one push subscription for all of them. Left out where nothing is stored.
   */
  readonly sharers?: () => Promise<readonly unknown[]>;
  /** Tokens of the channel's account, sealed at rest and shared by all workers. */
  readonly tokens: AccountTokens;
  /** What all workers together may ask of the account. */
  readonly limits: AccountLimits;
  /**
   * Waits until the account's next message may leave, over all workers, right before it does. Left out where the vendor
   * names no pace, or nothing is stored. @throws ProviderFailure `wait` where that is long
   */
  readonly turn?: () => Promise<void>;
  /** What the last `renew` kept: the state of the vendor's push subscription. */
  readonly watch: unknown;
  /** Where the vendor reaches this channel's door from outside; null where no public address is set. */
  readonly doorUrl: string | null;
}

export interface ChannelFacts {
  readonly id: ChannelId;
  readonly tenantId: TenantId;
  readonly name: string;
  readonly address: string | null;
  /** An import "from now" begins here; without it, at the first look. */
  readonly createdAt?: Date;
}

/** OAuth tokens of one channel: kept, renewed ahead of their end, by one caller at a time over all processes. */
export interface AccountTokens {
  /**
   * An access token that is good for at least another minute. Where there is none, one caller runs `obtain` and all
   * others get what it brought. @throws what `obtain` throws
   */
  readonly access: (obtain: (kept: KeptTokens) => Promise<ObtainedTokens>) => Promise<string>;
  /** Forgets an access token that the vendor refused, unless another has taken its place already. */
  readonly refuse: (accessToken: string) => Promise<void>;
}

export interface KeptTokens {
  /** From the consent, or the newest one that a renewal brought; null where there never was one. */
  readonly refreshToken: string | null;
}

export interface ObtainedTokens {
  readonly accessToken: string;
  readonly expiresAt: Date;
  /** Where the vendor gave a new one in place of the last. */
  readonly refreshToken?: string;
}

export interface AccountLimits {
  /** Runs `work` when fewer than `most` of this account's run, over all processes. */
  readonly slot: <T>(most: number, work: () => Promise<T>) => Promise<T>;
  /** Nobody asks this account before then: what a Retry-After said. `slot` waits it out, or throws `wait` where it is long. */
  readonly pause: (until: Date) => Promise<void>;
}

import { setTimeout as sleep } from 'node:timers/promises';
import { ProviderFailure, type FailureDetails } from '../domain/failure.ts';
import type { AccountTokens, KeptTokens, ObtainedTokens } from '../providers/contract.ts';
import type { KeyRing } from '../security/key-ring.ts';
import type { Db } from './connection.ts';
import {
  claimRenewal,
  endRenewal,
  extendRenewal,
  forgetAccess,
  keepRenewed,
  readTokens,
  type ChannelRef,
  type SealedTokens,
  type TokensRow,
} from './queries/channel-tokens.ts';

const PURPOSE = 'channel-token';
/** A third of the lease: a holder that lives keeps it. */
const SIGN_OF_LIFE_MS = 5_000;
const LOOK_AGAIN_MS = 100;
/** Of a refusal: long enough that who waited does not ask again, short enough that a mended account is noticed. */
const REFUSAL_HOLDS_MS = 10_000;
const FAULT_HOLDS_MS = 1_000;
const LONGEST_HOLD_MS = 60_000;

export interface TokensDeps {
  readonly db: Db;
  readonly keys: KeyRing;
  readonly signal: AbortSignal;
  readonly heartbeat?: () => void;
}

/**
 * Tokens of a stored channel, kept in Postgres. A renewal is a lease there and no open transaction: one caller over all
 * processes asks the vendor, the others wait for what it brings, and one that dies is replaced after some seconds.
 */
export class StoredTokens implements AccountTokens {
  readonly #deps: TokensDeps;
  readonly #channel: ChannelRef;

  constructor(deps: TokensDeps, channel: ChannelRef) {
    this.#deps = deps;
    this.#channel = channel;
  }

  // Properties, as the contract has them: a provider may take one, or spread the whole.
  readonly access = async (
    obtain: (kept: KeptTokens) => Promise<ObtainedTokens>,
  ): Promise<string> => {
    const { db, signal, heartbeat } = this.#deps;
    let waitedFor: number | null = null;
    for (;;) {
      signal.throwIfAborted();
      const row = await readTokens(db, this.#channel);
      const known = this.#outcome(row, waitedFor);
      if (known !== null) return known;
      if (row?.is_leased) {
        waitedFor = row.fence;
        heartbeat?.();
        await sleep(LOOK_AGAIN_MS * (0.5 + Math.random()), undefined, { signal });
        continue;
      }
      const claim = await claimRenewal(db, this.#channel, row?.fence ?? 0);
      if (claim) return this.#renew(claim, obtain);
    }
  };

  readonly refuse = async (accessToken: string): Promise<void> => {
    const row = await readTokens(this.#deps.db, this.#channel);
    if (row?.access_token && this.#open(row.access_token) === accessToken)
      await forgetAccess(this.#deps.db, this.#channel, row.access_token);
  };

  /** @throws ProviderFailure what the renewal met that we waited for, or that was a moment ago */
  #outcome(row: TokensRow | null, waitedFor: number | null): string | null {
    if (!row) return null;
    const ended = waitedFor === row.fence && !row.is_leased;
    if (row.access_token && (row.is_fresh || (ended && row.is_valid)))
      return this.#open(row.access_token);
    const isTheirs = row.failed_fence === row.fence && (row.failure_holds || ended);
    if (isTheirs && !row.is_leased) throw new ProviderFailure(row.failure as FailureDetails); // `told` made it
    return null;
  }

  async #renew(
    { fence, refresh_token }: { fence: number; refresh_token: Buffer | null },
    obtain: (kept: KeptTokens) => Promise<ObtainedTokens>,
  ): Promise<string> {
    const { db, heartbeat } = this.#deps;
    const alive = setInterval(() => {
      // A lease that could not be extended may be lost: then another renews, too, and ours is not kept.
      extendRenewal(db, this.#channel, fence).catch(() => undefined);
      try {
        heartbeat?.();
      } catch {
        // Cancelled: the request under way ends by its signal.
      }
    }, SIGN_OF_LIFE_MS);
    try {
      const obtained = await obtain({
        refreshToken: refresh_token && this.#open(refresh_token),
      });
      const sealed = sealTokens(this.#deps.keys, this.#channel.id, obtained);
      await keepRenewed(db, this.#channel, fence, sealed);
      return obtained.accessToken;
    } catch (error) {
      await endRenewal(db, this.#channel, fence, told(error));
      throw error;
    } finally {
      clearInterval(alive);
    }
  }

  #open(sealed: Buffer): string {
    return this.#deps.keys.open(PURPOSE, sealed, this.#channel.id).toString('utf8');
  }
}

export function sealTokens(
  keys: KeyRing,
  channelId: string,
  { accessToken, refreshToken, expiresAt }: ObtainedTokens,
): SealedTokens {
  const seal = (token: string) => keys.seal(PURPOSE, Buffer.from(token), channelId);
  return {
    accessToken: seal(accessToken),
    refreshToken: refreshToken === undefined ? null : seal(refreshToken),
    expiresAt,
  };
}

/** Only a provider's own word is told to others; any other fault is each caller's. */
function told(error: unknown): { told: FailureDetails; holdsMs: number } | null {
  if (!(error instanceof ProviderFailure)) return null;
  const { code, class: kind, message, status, retryAfterMs } = error;
  const passes = kind === 'retry' || kind === 'wait';
  const holdsMs = passes
    ? Math.min(retryAfterMs ?? FAULT_HOLDS_MS, LONGEST_HOLD_MS)
    : REFUSAL_HOLDS_MS;
  return { told: { code, class: kind, message, status, retryAfterMs }, holdsMs };
}

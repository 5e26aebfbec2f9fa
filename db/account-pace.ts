import { setTimeout as sleep } from 'node:timers/promises';
import { ProviderFailure } from '../domain/failure.ts';
import { keptByAccount } from './account-here.ts';
import type { Db } from './connection.ts';
import type { AccountRef } from './queries/account-limits.ts';
import { takeTurns } from './queries/account-paces.ts';

/** Of what the vendor allows: what customers write counts there too, and other processes have free turns. */
const SHARE = 0.8;
/** So much of it a process takes without a word to the others; they learn of it at its next turn that isn't free. */
const FREE_SHARE = 1 / 40;
/** Turns further away are left to the caller's own retry. */
const MOST_MS = 15_000;

/**
 * Waits until the account's next message may leave (docs/adr/0037). As long as this process sends little it asks nobody;
 * beyond that every message takes its turn in Postgres, so that all processes together keep the pace.
 * @throws ProviderFailure `wait` where that is long
 */
export async function awaitTurn(
  { db, signal }: { readonly db: Db; readonly signal: AbortSignal },
  account: AccountRef,
  perSecond: number,
): Promise<void> {
  const everyMs = 1000 / (perSecond * SHARE);
  const free = freeTurnsOf(db, account);
  if (free.take(perSecond * FREE_SHARE, everyMs)) return;
  const ms = await takeTurns(db, account, 1 + free.settle(everyMs), everyMs, MOST_MS);
  if (ms === null) throw tooFar();
  if (ms > 0) await sleep(ms, undefined, { signal });
}

/** Turns that this process takes by itself, and what it owes the others for them. */
class FreeTurns {
  #left = Infinity;
  #countedAt = performance.now();
  /** By then the turns that were taken will have been regained, had they been taken in order. */
  #owedUntil = 0;

  take(perSecond: number, everyMs: number): boolean {
    const now = performance.now();
    const regained = ((now - this.#countedAt) / 1000) * perSecond;
    this.#left = Math.min(Math.floor(perSecond), this.#left + regained);
    this.#countedAt = now;
    if (this.#left < 1) return false;
    this.#left -= 1;
    this.#owedUntil = Math.max(this.#owedUntil, now) + everyMs;
    return true;
  }

  /** How many turns are owed; none any more. */
  settle(everyMs: number): number {
    const owed = Math.max(0, Math.ceil((this.#owedUntil - performance.now()) / everyMs));
    this.#owedUntil = 0;
    return owed;
  }
}

const freeTurnsOf = keptByAccount(() => new FreeTurns());

function tooFar(): ProviderFailure {
  return new ProviderFailure({
    code: 'account.paced',
    class: 'wait',
    message:
      'So many messages of this account wait for their turn that this one is tried again later.',
    retryAfterMs: MOST_MS,
  });
}

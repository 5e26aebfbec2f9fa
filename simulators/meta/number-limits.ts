import { withinRate } from './access.ts';
import type { Refusal } from './errors.ts';
import type { SimNumber, World } from './world.ts';

const DAY_MS = 24 * 3_600_000;

/** Messages a second (https://developers.facebook.com/documentation/business-messaging/whatsapp/throughput). */
const LEVELS = { STANDARD: 80, HIGH: 1000, NOT_APPLICABLE: 0 } as const;
const BESIDE_THE_APP = 20;

interface Sending {
  readonly template?: unknown;
}

/**
 * Why a number that is well may not send just now: its throughput, the pace to one customer, or as many customers as it
 * may write to first within 24 hours
 * (https://developers.facebook.com/documentation/business-messaging/whatsapp/messaging-limits; no code is documented for
 * the latter, 131048 comes nearest).
 */
export function limitProblem(
  world: World,
  number: SimNumber,
  to: string,
  body: Sending,
): Refusal | null {
  if (isPairBusy(world, number, to)) return { code: 131056 };
  if (isFirst(world, number, to, body) && reached(world, number) >= customersOf(number.tier))
    return { code: 131048, details: 'The messaging limit of the business portfolio is reached.' };
  const level = number.onBusinessApp ? BESIDE_THE_APP : LEVELS[number.throughput];
  return withinRate(number, number.perSecond ?? level) ? null : { code: 130429 };
}

/** It was taken: it counts. */
export function countSent(world: World, number: SimNumber, to: string, body: Sending): void {
  const { pair, pairs, account } = number;
  if (pair) pairs.set(to, Math.max(pairs.get(to) ?? 0, world.now()) + pair.everyMs);
  if (isFirst(world, number, to, body)) account.wroteFirst.set(to, world.now());
}

/** So many at once are let through, and made up for by as long a silence as they would have taken one by one. */
function isPairBusy(world: World, { pair, pairs }: SimNumber, to: string): boolean {
  if (!pair) return false;
  const aheadMs = (pairs.get(to) ?? 0) - world.now();
  return aheadMs > (pair.burst - 1) * pair.everyMs;
}

/** A template to a customer who hasn't written within the window, and was not written to within the day. */
function isFirst(world: World, number: SimNumber, to: string, { template }: Sending): boolean {
  if (template === undefined || world.isOpen(number, to)) return false;
  return (number.account.wroteFirst.get(to) ?? -Infinity) <= world.now() - DAY_MS;
}

function reached(world: World, { account }: SimNumber): number {
  return [...account.wroteFirst.values()].filter((at) => at > world.now() - DAY_MS).length;
}

/** `TIER_250`, `TIER_2K`, `TIER_UNLIMITED`. */
function customersOf(tier: string): number {
  const [, count, thousands] = /^TIER_(\d+)(K?)$/.exec(tier) ?? [];
  return count === undefined ? Infinity : Number(count) * (thousands === 'K' ? 1000 : 1);
}

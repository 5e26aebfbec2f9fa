import type { Fault, FaultKind, Faults } from './contract.ts';

/** What a vendor on loopback is told to do wrong, and what it does to the next request. */
export interface PlannedFaults extends Faults {
  /** What happens to the request `asked` ("METHOD /path"); takes it off the plan. Null: it is served. */
  take(asked: string): Fault | null;
}

/** Faults that were asked for come first, in their order; then the seeded share of all requests. */
export function planFaults(): PlannedFaults {
  let planned: { fault: Fault; left: number }[] = [];
  let some: (() => Fault | null) | null = null;
  return {
    failNext(fault, count = 1) {
      if (!Number.isInteger(count) || count < 1)
        throw new Error(`A fault needs a whole count of 1 or more, and got ${count}.`);
      planned.push({ fault, left: count });
    },
    failSome(rate, kinds, seed = 1) {
      if (!(rate >= 0 && rate <= 1))
        throw new Error(`A share of failing requests is from 0 to 1, and not ${rate}.`);
      if (rate > 0 && kinds.length === 0)
        throw new Error('A share of failing requests needs at least one kind of fault.');
      some = rate > 0 ? share(rate, kinds, seed) : null;
    },
    clear() {
      planned = [];
      some = null;
    },
    take(asked) {
      const next = planned.find(({ fault: { match } }) => !match || asked.search(match) >= 0);
      if (!next) return some?.() ?? null;
      next.left -= 1;
      if (next.left === 0) planned = planned.filter((one) => one !== next);
      return next.fault;
    },
  };
}

function share(rate: number, kinds: readonly FaultKind[], seed: number): () => Fault | null {
  const random = seededRandom(seed);
  return () => {
    if (random() >= rate) return null;
    // A second is the least that Retry-After can say.
    return { kind: kinds[Math.floor(random() * kinds.length)]!, retryAfterSeconds: 1 };
  };
}

/** Numbers from 0 to below 1, the same for the same seed (Mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

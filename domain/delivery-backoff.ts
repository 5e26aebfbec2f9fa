const FIRST_STEP_MS = 5_000;
const LONGEST_MS = 3_600_000;

/**
 * How long to wait after the `attempt`-th failure (from 1), in milliseconds: full jitter over 5 s·2ⁿ, at most an hour.
 * What the receiver asked for by Retry-After is kept to, up to the same hour.
 * @param random in [0, 1)
 */
export function retryDelayMs(
  attempt: number,
  retryAfterMs: number | null,
  random: number = Math.random(),
): number {
  if (retryAfterMs !== null && retryAfterMs > 0) return Math.min(retryAfterMs, LONGEST_MS);
  // The exponent is bounded before it is raised: 2¹⁰⁰⁰⁰ is Infinity.
  return Math.round(random * Math.min(FIRST_STEP_MS * 2 ** Math.min(attempt - 1, 20), LONGEST_MS));
}

/** Retry-After (RFC 9110 §10.2.3), seconds or an HTTP date, as milliseconds from now; null where there is none. */
export function readRetryAfter(header: string | null, now: Date): number | null {
  if (header === null) return null;
  const text = header.trim();
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const at = /^[A-Z][a-z]{2}/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? null : Math.max(0, at - now.getTime());
}

/** Runs steps a few at a time, none once Temporal is away; returns what was thrown. */
export async function allBounded(
  steps: readonly (() => Promise<void>)[],
  width: number,
): Promise<unknown[]> {
  const failures: unknown[] = [];
  const queue = steps.values();
  const runners = Array.from({ length: Math.min(width, steps.length) }, async () => {
    for (const step of queue) {
      if (failures.some(isAway)) return;
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    }
  });
  await Promise.all(runners);
  return failures;
}

/** https://grpc.io/docs/guides/status-codes/ */
const GRPC = { cancelled: 1, deadlineExceeded: 4, unavailable: 14 };
const AWAY_CODES: readonly unknown[] = [GRPC.cancelled, GRPC.deadlineExceeded, GRPC.unavailable];

/** The server gave no answer; anything else is an answer, and the item's own trouble. */
export function isAway(error: unknown): boolean {
  return (
    AWAY_CODES.includes((error as { code?: unknown } | null)?.code) ||
    AWAY_CODES.includes((error as { cause?: { code?: unknown } } | null)?.cause?.code)
  );
}

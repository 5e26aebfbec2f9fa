import { setTimeout as sleep } from 'node:timers/promises';

/** Something that the story counts on did not happen in time. */
export class StepFailed extends Error {
  override name = 'StepFailed';
}

const PATIENCE_MS = 90_000;
const LOOK_EVERY_MS = 150;

/**
 * Asks until there is an answer.
 * @param what completes "… did not happen": `the ticket was made`
 * @throws StepFailed after `withinMs`; the signal's reason where it was given up
 */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | null> | T | null,
  { signal, withinMs = PATIENCE_MS }: { signal: AbortSignal; withinMs?: number },
): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    signal.throwIfAborted();
    const answer = await ask();
    if (answer !== null) return answer;
    if (Date.now() > deadline)
      throw new StepFailed(`Within ${withinMs / 1000} s this did not happen: ${what}.`);
    await sleep(LOOK_EVERY_MS);
  }
}

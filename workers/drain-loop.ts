import { setTimeout as sleep } from 'node:timers/promises';
import { drainNow } from '../activities/drain.ts';
import type { OpenDeps } from './deps.ts';

const EVERY_MS = 1_000;

/**
 * Takes over, within a second of the end of its lease, what a writer that was killed could not hand to Temporal. Stops
 * while Temporal or Postgres is away, and goes on by itself. Returns its end.
 */
export function startDrainLoop(deps: Pick<OpenDeps, 'db' | 'relay' | 'log'>): () => Promise<void> {
  const stopping = new AbortController();
  let isTold = false;
  const loop = async () => {
    for (;;) {
      await sleep(EVERY_MS, undefined, { signal: stopping.signal });
      if (deps.relay.isAway()) continue;
      try {
        await drainNow(deps);
        isTold = false;
      } catch (error) {
        if (!isTold) deps.log.warn({ err: error }, 'the outbox can’t be drained');
        isTold = true;
      }
    }
  };
  const ended = loop().catch((error: unknown) => {
    if (!stopping.signal.aborted) throw error;
  });
  return async () => {
    stopping.abort();
    await ended;
  };
}

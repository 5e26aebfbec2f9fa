import { Context } from '@temporalio/activity';
import { listenForStream } from '../db/queries/stream-wake.ts';
import type { DispatchReport } from '../workflows/contracts/webhook-dispatcher.ts';
import { DispatchRun, type DispatchDeps } from './dispatch-run.ts';

/** A turn: a quarter of a day is four of them, some thirty history events. */
const TURN_MS = 6 * 3_600_000;
const HEARTBEAT_MS = 2_000;
/** At the end of a turn, and when the worker is shut down: what is under way has so long to end. */
const TURN_GRACE_MS = 65_000;
const SHUTDOWN_GRACE_MS = 1_500;

export interface DispatcherActivities {
  dispatch(): Promise<DispatchReport>;
}

export interface DispatchTuning {
  /** For the jitter of retries; in [0, 1). */
  readonly random?: () => number;
  readonly turnMs?: number;
}

export function createDispatcherActivities(
  deps: DispatchDeps & { readonly databaseUrl: string },
  { random = Math.random, turnMs = TURN_MS }: DispatchTuning = {},
): DispatcherActivities {
  return {
    async dispatch() {
      const context = Context.current();
      const run = new DispatchRun(deps, random);
      const stopListening = listenForStream(deps.databaseUrl, () => run.wake());
      const beat = setInterval(() => context.heartbeat(run.state()), HEARTBEAT_MS);
      const turn = setTimeout(() => run.stop(TURN_GRACE_MS), turnMs);
      const cancel = () => run.stop(SHUTDOWN_GRACE_MS);
      context.cancellationSignal.addEventListener('abort', cancel);
      try {
        const report = await run.run();
        if (context.cancellationSignal.aborted) await context.cancelled;
        return report;
      } finally {
        context.cancellationSignal.removeEventListener('abort', cancel);
        clearInterval(beat);
        clearTimeout(turn);
        await stopListening();
      }
    },
  };
}

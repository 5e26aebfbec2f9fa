import { Context } from '@temporalio/activity';

/**
 * Runs an activity's `work`, and shows every `everyMs` that this worker lives: so a killed worker's attempt is taken over
 * within seconds, not after the activity's whole time.
 */
export async function heartbeating<T>(everyMs: number, work: () => Promise<T>): Promise<T> {
  const context = Context.current();
  const beat = setInterval(() => context.heartbeat(), everyMs);
  try {
    return await work();
  } finally {
    clearInterval(beat);
  }
}

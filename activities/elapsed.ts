import { asyncLocalStorage } from '@temporalio/activity';

/** Milliseconds since the running activity was first asked for, its retries included, by this worker's clock; 0 outside of a worker. */
export function elapsedMs(): number {
  const context = asyncLocalStorage.getStore();
  return context ? Math.max(0, Date.now() - context.info.scheduledTimestampMs) : 0;
}

import { proxyLocalActivities } from '@temporalio/workflow';
import type { DrainActivities } from '../activities/drain.ts';
import { DATABASE } from '../activities/options.ts';

const { drain: handOver } = proxyLocalActivities<DrainActivities>({
  ...DATABASE,
  startToCloseTimeout: '5 minutes',
});

/** One turn of the Schedule of the same name. */
export async function drain(): Promise<number> {
  return handOver();
}

import { proxyActivities } from '@temporalio/workflow';
import { SWEEP } from '../activities/options.ts';
import type { SweepActivities, Swept } from '../activities/sweep.ts';

const { sweepAll } = proxyActivities<SweepActivities>(SWEEP);

/** One turn of the Schedule of the same name. */
export async function sweep(): Promise<Swept> {
  return sweepAll();
}

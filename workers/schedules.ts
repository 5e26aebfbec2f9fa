import {
  ScheduleAlreadyRunning,
  ScheduleOverlapPolicy,
  type Client,
  type ScheduleOptions,
} from '@temporalio/client';
import type { TemporalTarget } from '../config/config.ts';
import { QUEUE } from '../workflows/contracts/queues.ts';

/** Every Schedule of the installation; reconciled at each boot. */
function schedules(target: TemporalTarget): ScheduleOptions[] {
  return [
    {
      // The drain hands to Temporal what a crash or an outage left in the outbox.
      scheduleId: `${target.taskQueuePrefix}drain`,
      spec: { intervals: [{ every: '1 minute' }] },
      policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '1 minute' },
      action: {
        type: 'startWorkflow',
        workflowType: 'drain',
        workflowId: 'drain',
        taskQueue: target.taskQueuePrefix + QUEUE.processes,
        args: [],
        workflowExecutionTimeout: '10 minutes',
        staticSummary: 'Hands over what a crash left in the outbox',
      },
    },
  ];
}

/** Makes the schedules be as declared. @throws what Temporal says: a boot with schedules that can't be set fails. */
export async function ensureSchedules(client: Client, target: TemporalTarget): Promise<void> {
  for (const wanted of schedules(target)) {
    try {
      await client.schedule.create(wanted);
    } catch (error) {
      if (!(error instanceof ScheduleAlreadyRunning)) throw error;
      const { spec, policies, action } = wanted;
      await client.schedule.getHandle(wanted.scheduleId).update(
        (found) =>
          ({
            ...found,
            spec,
            policies: { ...found.policies, ...policies },
            action,
          }) as typeof found,
      );
    }
  }
}

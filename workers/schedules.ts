import {
  ScheduleAlreadyRunning,
  ScheduleOverlapPolicy,
  type Client,
  type ScheduleOptions,
} from '@temporalio/client';
import type { TemporalTarget } from '../config/config.ts';
import { QUEUE } from '../workflows/contracts/queues.ts';

/** Every Schedule of the installation; reconciled at each boot. */
export function schedules(target: TemporalTarget): ScheduleOptions[] {
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
    {
      // Hourly, so that a key that has run out is free again soon; off the full hour, when everybody else works.
      scheduleId: `${target.taskQueuePrefix}sweep`,
      spec: { intervals: [{ every: '1 hour', offset: '17 minutes' }] },
      policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '10 minutes' },
      action: {
        type: 'startWorkflow',
        workflowType: 'sweep',
        workflowId: 'sweep',
        taskQueue: target.taskQueuePrefix + QUEUE.processes,
        args: [],
        workflowExecutionTimeout: '1 hour',
        staticSummary: 'Removes what is kept for a day',
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
      await client.schedule.getHandle(wanted.scheduleId).update((found) => ({
        ...found,
        spec,
        policies: { ...found.policies, ...policies },
        action,
      }));
    }
  }
}

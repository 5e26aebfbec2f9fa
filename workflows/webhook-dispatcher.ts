import {
  allHandlersFinished,
  condition,
  continueAsNew,
  proxyActivities,
  setCurrentDetails,
  workflowInfo,
} from '@temporalio/workflow';
import type { DispatcherActivities } from '../activities/dispatcher.ts';
import { DISPATCH } from '../activities/options.ts';
import { QUEUE } from './contracts/queues.ts';
import type { DispatchReport } from './contracts/webhook-dispatcher.ts';

/**
 * Lives for ever. Each turn is one activity of some hours that makes first attempts as they come, so that neither a
 * burst nor a quiet day writes history; its heartbeat shows which endpoints it serves.
 */
export async function webhookDispatcher(): Promise<void> {
  const prefix = workflowInfo().taskQueue.slice(0, -QUEUE.deliveries.length);
  const { dispatch } = proxyActivities<DispatcherActivities>({
    ...DISPATCH,
    taskQueue: prefix + QUEUE.dispatch,
    summary: 'First attempts in batches',
  });
  let before: DispatchReport | null = null;
  while (!workflowInfo().continueAsNewSuggested) {
    setCurrentDetails(
      'Makes first attempts for endpoints in the stream gear. The pending activity’s heartbeat names them, with what is held, under way and paused.' +
        told(before),
    );
    before = await dispatch();
  }
  await condition(allHandlersFinished);
  await continueAsNew<typeof webhookDispatcher>();
}

function told(report: DispatchReport | null): string {
  if (report === null) return '';
  return `\n\nThe turn before: ${report.delivered} delivered, ${report.handedOver} handed to workflows of their own, ${report.givenUp} given up.`;
}

import { CancellationScope, proxyActivities, sleep } from '@temporalio/workflow';
import { SEND_SCHEDULED } from '../activities/options.ts';
import type {
  ScheduledEnd,
  ScheduledInput,
  ScheduledMessageActivities,
} from './contracts/scheduled-message.ts';

const { sendScheduled } = proxyActivities<ScheduledMessageActivities>(SEND_SCHEDULED);

/**
 * Waits for the time (its start is delayed until then, so that is all but over) and sends. Cancelling it spares the wait:
 * what counts is the row, which says `cancelled` by then.
 */
export async function scheduledMessage({ sendAt, ...ref }: ScheduledInput): Promise<ScheduledEnd> {
  const left = Date.parse(sendAt) - Date.now();
  if (left > 0) await sleep(left, { summary: 'until it is to be sent' });
  return CancellationScope.nonCancellable(() => sendScheduled(ref));
}

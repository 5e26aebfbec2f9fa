import {
  ApplicationFailure,
  CancellationScope,
  defineSignal,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
  setCurrentDetails,
  setHandler,
} from '@temporalio/workflow';
import type { DeliveryActivities } from '../activities/deliveries.ts';
import { DELIVER_AGAIN, DELIVER_FIRST } from '../activities/options.ts';
import { REPLAY_SIGNAL, type WebhookDeliveryInput } from './contracts/webhook-delivery.ts';

const { deliverFirst } = proxyLocalActivities<DeliveryActivities>(DELIVER_FIRST);
const { deliverAgain } = proxyActivities<DeliveryActivities>({
  ...DELIVER_AGAIN,
  summary: 'Attempts after the first',
});

/**
 * One event to one endpoint. The first attempt is a local activity: six events where it succeeds. All others are the
 * retries of one activity, which write no history. Given up, the workflow ends as Failed.
 */
export async function webhookDelivery(input: WebhookDeliveryInput): Promise<void> {
  const replay = { asked: false };
  setHandler(defineSignal(REPLAY_SIGNAL), () => {
    replay.asked = true;
  });
  for (;;) {
    replay.asked = false;
    try {
      await deliver(input);
      if (!replay.asked) return;
    } catch (failure) {
      if (!replay.asked || isCancellation(failure)) throw failure;
    }
  }
}

async function deliver(input: WebhookDeliveryInput): Promise<void> {
  const first = await firstAttempt(input);
  if (first === 'delivered') return;
  if (first === 'failed')
    throw ApplicationFailure.nonRetryable('Given up at the first attempt.', 'delivery.given_up');
  setCurrentDetails(
    'The first attempt did not deliver. The pending activity shows how many there were and when the next is due.',
  );
  await deliverAgain(input);
}

/** What goes wrong around the attempt (the database is away, the worker shuts down) is left to the activity that comes next. */
async function firstAttempt(input: WebhookDeliveryInput) {
  try {
    return await deliverFirst(input);
  } catch (error) {
    if (CancellationScope.current().consideredCancelled) throw error;
    return 'retry';
  }
}

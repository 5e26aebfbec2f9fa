/** One workflow per event and endpoint: the attempts are one activity's retries, so its history never grows. */
export const webhookDeliveryWorkflowType = 'webhookDelivery';

export function webhookDeliveryWorkflowId(ref: {
  tenantId: string;
  eventId: string;
  endpointId: string;
}): string {
  return `delivery/${ref.tenantId}/${ref.eventId}/${ref.endpointId}`;
}

export interface WebhookDeliveryInput {
  readonly tenantId: string;
  readonly deliveryId: string;
}

/**
 * The delivery was put back to pending. A replay goes by signalWithStart, so that one that meets the workflow of the
 * run before in its last moments is not lost.
 */
export const REPLAY_SIGNAL = 'replay';

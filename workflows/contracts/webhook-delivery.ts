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

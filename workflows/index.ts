export { drain } from './drain.ts';
export { mailbox } from './mailbox.ts';
export { scheduledMessage } from './scheduled-message.ts';
export { sweep } from './sweep.ts';
export { ticket } from './ticket.ts';
export { webhookDelivery } from './webhook-delivery.ts';
export { webhookDispatcher } from './webhook-dispatcher.ts';

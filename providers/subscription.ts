import type { ChannelProvider, SubscriptionCapability } from './contract.ts';

/** What the vendor has to be asked for, so that it pushes; a mailbox's own, or its door's. */
export function subscriptionOf({
  mailbox,
  door,
}: Pick<ChannelProvider, 'mailbox' | 'door'>): Partial<SubscriptionCapability<unknown>> {
  return mailbox?.renew ? mailbox : (door?.subscription ?? {});
}

import { z } from 'zod';
import { jsonOrUndefined, readJson, refuseOtherAddresses } from '../cloud-mail.ts';
import { DoorRefusal, type DoorCapability, type DoorReceipt } from '../contract.ts';
import { ask } from '../vendor-http.ts';
import { sesVendor, type SesCall } from './client.ts';
import { awsFailure } from './failure.ts';
import { Received, sourceOf } from './inbound.ts';
import type { SesSettings } from './manifest.ts';
import { isSnsAddress } from './signing-certificate.ts';
import { readSnsMessage, verifySnsMessage, type SnsMessage } from './sns-message.ts';
import { Report, statusesOf } from './statuses.ts';

/** SNS carries 256 KB. */
const MOST_BYTES = 1024 * 1024;
const Told = z.looseObject({
  notificationType: z.string().optional(),
  eventType: z.string().optional(),
});

/** The HTTPS subscription of an SNS topic that SES tells of mail, deliveries, bounces and complaints. */
export const door: DoorCapability<SesSettings> = {
  maxBytes: MOST_BYTES,
  verify: verifySnsMessage,
  async receive(request, call) {
    const message = readSnsMessage(request);
    switch (message.Type) {
      case 'SubscriptionConfirmation':
        await confirm(call, message.SubscribeURL, message.TopicArn);
        return { sources: [] };
      case 'UnsubscribeConfirmation':
        call.log.warn(
          { topic: message.TopicArn },
          'the SNS topic does not call this door any more: its subscription was ended',
        );
        return { sources: [] };
      case 'Notification':
        return notified(call, message);
    }
  },
};

async function notified(call: SesCall, { Message: text }: SnsMessage): Promise<DoorReceipt> {
  const told = Told.safeParse(jsonOrUndefined(text));
  // Words of SES's own, such as that it has found the topic.
  if (!told.success) return { sources: [] };
  if (told.data.notificationType === 'Received') {
    const received = readJson('ses', text, Received);
    refuseOtherAddresses('ses', received.receipt.recipients, call.settings.allowed_addresses);
    const source = await sourceOf(call, received);
    return { sources: source ? [source] : [] };
  }
  if (told.data.notificationType === undefined && told.data.eventType === undefined)
    return { sources: [] };
  return { sources: [], statuses: statusesOf(readJson('ses', text, Report)) };
}

/** Says yes to the subscription; again does no harm. @throws ProviderFailure: SNS asks again */
async function confirm(call: SesCall, url: string, topicArn: string): Promise<void> {
  if (!isSnsAddress(url, topicArn, call.settings))
    throw new DoorRefusal(403, 'ses.foreign_url', 'The SubscribeURL leads to another host.');
  const answer = await ask(call, sesVendor, { method: 'GET', url, headers: {} });
  if (answer.status !== 200) throw await awsFailure(call, answer);
  call.log.info({ topic: topicArn }, 'the subscription of the SNS topic is confirmed');
}

import { z } from 'zod';
import { jsonOrUndefined } from '../cloud-mail.ts';
import type { OutgoingMessage, SendReceipt } from '../contract.ts';
import { composeMail } from '../submission.ts';
import { transmit } from '../vendor-http.ts';
import { endpoint, sesVendor, signedRequest, type SesCall } from './client.ts';
import { awsFailure } from './failure.ts';
import type { SesSettings } from './manifest.ts';

const Sent = z.object({ MessageId: z.string() });

/**
 * `SendEmail` of the API's version 2, raw (https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html).
 * SES puts a Message-ID of its own in place of ours, which answers will name. It knows no idempotency key: where its
 * answer is lost, it is uncertain whether the mail went out.
 */
export async function send(
  call: SesCall,
  message: OutgoingMessage,
  transmitting: () => Promise<void>,
): Promise<SendReceipt> {
  const { settings } = call;
  const mail = composeMail(message);
  const raw = await mail.build();
  const request = await signedRequest(settings, {
    service: 'ses',
    method: 'POST',
    url: `${endpoint(settings, 'email')}/v2/email/outbound-emails`,
    body: {
      Destination: { ToAddresses: mail.getEnvelope().to },
      Content: { Raw: { Data: raw.toString('base64') } },
      ...(settings.configuration_set && { ConfigurationSetName: settings.configuration_set }),
    },
  });
  const answer = await transmit(call, sesVendor, request, transmitting);
  if (answer.status !== 200) throw await awsFailure(call, answer);
  const sent = Sent.safeParse(jsonOrUndefined(answer.body.toString()));
  if (!sent.success) return { providerMessageId: null, response: 'Accepted' };
  const id = sent.data.MessageId;
  return { providerMessageId: id, messageId: `${id}@${idDomain(settings)}`, response: 'Accepted' };
}

/** What stands after the @ in SES's own Message-IDs. */
function idDomain({ region }: SesSettings): string {
  return region === 'us-east-1' ? 'email.amazonses.com' : `${region}.amazonses.com`;
}

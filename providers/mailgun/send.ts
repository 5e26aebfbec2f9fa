import { z } from 'zod';
import { jsonOrUndefined } from '../cloud-mail.ts';
import type { OutgoingMessage, SendReceipt } from '../contract.ts';
import { composeMail } from '../submission.ts';
import { transmit } from '../vendor-http.ts';
import {
  authorization,
  baseUrl,
  mailgunVendor,
  sendingDomain,
  type MailgunCall,
} from './client.ts';
import { mailgunFailure } from './failure.ts';

const Queued = z.object({ id: z.string(), message: z.string().catch('') });

/**
 * `POST /v3/{domain}/messages.mime`: the mail goes out as we wrote it, with our Message-ID
 * (https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages). Mailgun knows no idempotency
 * key: where its answer is lost, it is uncertain whether the mail went out.
 */
export async function send(
  call: MailgunCall,
  message: OutgoingMessage,
  transmitting: () => Promise<void>,
): Promise<SendReceipt> {
  const url = `${baseUrl(call.settings)}/v3/${sendingDomain(call.settings)}/messages.mime`;
  const login = authorization(call.settings);
  const mail = composeMail(message);
  const form = new FormData();
  for (const recipient of mail.getEnvelope().to) form.append('to', recipient);
  const raw = new Blob([new Uint8Array(await mail.build())], { type: 'message/rfc822' });
  form.append('message', raw, 'message.mime');
  const encoded = new Response(form);
  const request = {
    method: 'POST',
    url,
    headers: {
      authorization: login,
      accept: 'application/json',
      'content-type': encoded.headers.get('content-type')!,
    },
    body: new Uint8Array(await encoded.arrayBuffer()),
  };
  const answer = await transmit(call, mailgunVendor, request, transmitting);
  if (answer.status !== 200) throw await mailgunFailure(call, answer);
  const queued = Queued.safeParse(jsonOrUndefined(answer.body.toString()));
  return {
    providerMessageId: queued.success ? queued.data.id.replace(/^<|>$/g, '') : null,
    response: queued.success ? queued.data.message : '',
  };
}

import { z } from 'zod';
import type { MailAddress } from '../../domain/message.ts';
import { apiMessage, type ApiMessage } from '../api-message.ts';
import { jsonOrUndefined } from '../cloud-mail.ts';
import type { OutgoingMessage, SendReceipt } from '../contract.ts';
import { transmit } from '../vendor-http.ts';
import { apiRequest, postmarkVendor, told, type PostmarkCall } from './client.ts';
import { postmarkFailure } from './failure.ts';

const Sent = z.object({ MessageID: z.string() });

/**
 * `POST /email` (https://postmarkapp.com/developer/api/email-api). Postmark knows no idempotency key: where its answer
 * is lost, it is uncertain whether the mail went out.
 */
export async function send(
  call: PostmarkCall,
  message: OutgoingMessage,
  transmitting: () => Promise<void>,
): Promise<SendReceipt> {
  const request = apiRequest(
    call.settings,
    'POST',
    '/email',
    emailOf(await apiMessage(message), message.id, call.settings.message_stream),
  );
  const answer = await transmit(call, postmarkVendor, request, transmitting);
  const { ErrorCode: code, Message: words } = told(answer);
  if (answer.status !== 200 || code !== 0) throw await postmarkFailure(call, answer);
  const sent = Sent.safeParse(jsonOrUndefined(answer.body.toString()));
  return { providerMessageId: sent.success ? sent.data.MessageID : null, response: words };
}

function emailOf(mail: ApiMessage, id: string, stream: string | undefined): object {
  return {
    From: mailbox(mail.from),
    To: mail.to.map(mailbox).join(', '),
    ...(mail.cc.length > 0 && { Cc: mail.cc.map(mailbox).join(', ') }),
    ...(mail.replyTo !== null && { ReplyTo: mail.replyTo }),
    Subject: mail.subject,
    TextBody: mail.text,
    ...(mail.html !== null && { HtmlBody: mail.html }),
    // Without it Postmark puts a Message-ID of its own in place of ours.
    Headers: [...mail.headers, ['X-PM-KeepID', 'true']].map(([Name, Value]) => ({ Name, Value })),
    Attachments: mail.attachments.map(({ filename, contentType, contentId, content }) => ({
      Name: filename,
      Content: content.toString('base64'),
      ContentType: contentType,
      ...(contentId !== null && { ContentID: `cid:${contentId}` }),
    })),
    Metadata: { postroom_message: id },
    ...(stream !== undefined && { MessageStream: stream }),
  };
}

function mailbox({ name, address }: MailAddress): string {
  return name === '' ? address : `"${name.replace(/["\\]/g, '\\$&')}" <${address}>`;
}

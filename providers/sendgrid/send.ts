import type { MailAddress } from '../../domain/message.ts';
import { apiMessage, type ApiMessage } from '../api-message.ts';
import type { OutgoingMessage, SendReceipt } from '../contract.ts';
import { transmit } from '../vendor-http.ts';
import { apiRequest, sendgridVendor, type SendgridCall } from './client.ts';
import { sendgridFailure } from './failure.ts';

/** Comes back with every event of the message. */
export const MESSAGE_ARGUMENT = 'postroom_message_id';

/**
 * `POST /v3/mail/send` (https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send). SendGrid knows no
 * idempotency key: where its answer is lost, it is uncertain whether the mail went out.
 */
export async function send(
  call: SendgridCall,
  message: OutgoingMessage,
  transmitting: () => Promise<void>,
): Promise<SendReceipt> {
  const mail = mailOf(await apiMessage(message), message.messageId);
  const request = apiRequest(call.settings, '/v3/mail/send', mail);
  const answer = await transmit(call, sendgridVendor, request, transmitting);
  if (answer.status !== 202) throw await sendgridFailure(call, answer);
  const id = answer.headers.get('x-message-id');
  return { providerMessageId: id, response: 'Accepted' };
}

function mailOf(mail: ApiMessage, messageId: string): object {
  return {
    personalizations: [
      {
        to: mail.to.map(person),
        ...(mail.cc.length > 0 && { cc: mail.cc.map(person) }),
        headers: Object.fromEntries(mail.headers),
        custom_args: { [MESSAGE_ARGUMENT]: messageId },
      },
    ],
    from: person(mail.from),
    ...(mail.replyTo !== null && { reply_to: { email: mail.replyTo } }),
    // No field may be empty.
    subject: mail.subject || '(no subject)',
    content: [
      { type: 'text/plain', value: mail.text || ' ' },
      ...(mail.html ? [{ type: 'text/html', value: mail.html }] : []),
    ],
    ...(mail.attachments.length > 0 && {
      attachments: mail.attachments.map(({ filename, contentType, contentId, content }) => ({
        content: (content.length > 0 ? content : Buffer.from('\n')).toString('base64'),
        filename,
        type: contentType,
        ...(contentId === null
          ? { disposition: 'attachment' }
          : { disposition: 'inline', content_id: contentId }),
      })),
    }),
  };
}

function person({ name, address }: MailAddress): object {
  return { email: address, ...(name !== '' && { name }) };
}

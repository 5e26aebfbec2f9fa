import { z } from 'zod';
import { ProviderFailure } from '../../domain/failure.ts';
import { jsonOrUndefined } from '../cloud-mail.ts';
import type { OutgoingMessage, SendReceipt } from '../contract.ts';
import { ownMark } from '../own-mark.ts';
import { transmit } from '../vendor-http.ts';
import { graphRequest, whatsappFailure, whatsappVendor, type WhatsAppCall } from './client.ts';
import { kindOf, upload, type UploadedFile } from './files.ts';
import { interactiveBody } from './interactive.ts';
import { IS_OFF } from './manifest.ts';
import { recipientOf } from './recipient.ts';
import { templateBody } from './template-body.ts';
import { unfit } from './limits.ts';

const Accepted = z.object({
  messages: z.tuple([z.object({ id: z.string().min(1), message_status: z.string().optional() })]),
});

/**
 * `POST /{phone-number-id}/messages`
 * (https://developers.facebook.com/documentation/business-messaging/whatsapp/reference/whatsapp-business-phone-number/message-api).
 * WhatsApp knows no idempotency key: where its answer is lost, it is uncertain whether the message went out; the first
 * thing that is said of it brings our mark back and settles it.
 */
export async function send(
  call: WhatsAppCall,
  message: OutgoingMessage,
  transmitting: () => Promise<void>,
): Promise<SendReceipt> {
  if (!call.settings.whatsapp_enabled) throw refusal('off', IS_OFF);
  const problem = unfit({
    text: message.text,
    attachments: message.attachments.length,
    interactive: message.chat?.interactive ?? null,
    hasTemplate: message.chat?.template != null,
  });
  if (problem !== null) throw refusal('unfit', problem);
  const [attachment] = message.attachments;
  const file =
    attachment &&
    (await upload(
      call,
      attachment,
      message.chat?.template?.header ?? kindOf(attachment, hasWords(message)),
    ));
  const json = {
    messaging_product: 'whatsapp',
    recipient_type: 'individual',
    ...recipientOf(message.chat?.conversation.address ?? message.to[0]?.address ?? ''),
    ...(message.chat?.quotes != null && { context: { message_id: message.chat.quotes } }),
    ...contentOf(message, file),
    biz_opaque_callback_data: ownMark(message).slice(0, MOST_MARK),
  };
  const path = `/${call.settings.phone_number_id}/messages`;
  const request = await graphRequest(call, 'POST', path, { json });
  const answer = await transmit(call, whatsappVendor, request, transmitting);
  if (answer.status >= 300) throw await whatsappFailure(call, answer);
  const accepted = Accepted.safeParse(jsonOrUndefined(answer.body.toString()));
  if (!accepted.success)
    throw new ProviderFailure({
      code: 'whatsapp.answer_unreadable',
      class: 'retry',
      message: 'WhatsApp took the message, but its answer can’t be read.',
      uncertain: true,
    });
  const [{ id, message_status: state = 'accepted' }] = accepted.data.messages;
  return { providerMessageId: id, response: state };
}

const MOST_MARK = 512;

function hasWords({ text, chat }: OutgoingMessage): boolean {
  return text !== '' || chat?.interactive != null;
}

function contentOf({ text, chat }: OutgoingMessage, file: UploadedFile | undefined): object {
  if (chat?.template) return { type: 'template', template: templateBody(chat.template, file) };
  if (chat?.interactive) {
    const header = file && { type: file.kind, ...fileBody(file) };
    return { type: 'interactive', interactive: interactiveBody(chat.interactive, text, header) };
  }
  if (file) return { type: file.kind, ...fileBody(file, text) };
  return { type: 'text', text: { body: text } };
}

function fileBody({ kind, id, filename }: UploadedFile, caption = ''): object {
  return {
    [kind]: {
      id,
      ...(kind === 'document' && { filename }),
      ...(caption !== '' && { caption }),
    },
  };
}

function refusal(code: string, message: string): ProviderFailure {
  return new ProviderFailure({ code: `whatsapp.${code}`, class: 'give_up', message });
}

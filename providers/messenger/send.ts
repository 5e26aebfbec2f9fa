import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { ProviderFailure } from '../../domain/failure.ts';
import { jsonOrUndefined } from '../cloud-mail.ts';
import type { OutgoingMessage, SendReceipt } from '../contract.ts';
import { transmit } from '../vendor-http.ts';
import { graphRequest, messengerFailure, messengerVendor, type MessengerCall } from './client.ts';
import { upload, type UploadedFile } from './files.ts';
import { ownMark } from '../own-mark.ts';
import { partsOf, refuseUnfit, type Part } from './parts.ts';
import { messagingType } from './policy.ts';

const Sent = z.object({ message_id: z.string().min(1) });

/** Tries of what follows a part that is out already: the answer as a whole can't be sent anew any more. */
const TRIES = 3;
const PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 5_000;

/**
 * `POST /{page-id}/messages` (https://developers.facebook.com/docs/messenger-platform/reference/send-api), once for the
 * text and once for each file. Messenger knows no idempotency key: where its answer is lost, it is uncertain whether the
 * message went out; the echo, which brings our mark back, settles it.
 */
export async function send(
  call: MessengerCall,
  message: OutgoingMessage,
  transmitting: () => Promise<void>,
): Promise<SendReceipt> {
  const type = messagingType(message);
  refuseUnfit(message);
  const files: UploadedFile[] = [];
  for (const attachment of message.attachments) files.push(await upload(call, attachment));
  const parts = partsOf(message, files);
  const ids: string[] = [];
  for (const part of parts) {
    const body = bodyOf(message, part, type, ids.length === 0);
    ids.push(
      ids.length === 0
        ? await hand(call, body, transmitting)
        : await handRest(call, body, ids.length, parts.length),
    );
  }
  const text = parts.findIndex((part) => 'text' in part);
  return { providerMessageId: ids[Math.max(0, text)]!, response: 'Accepted' };
}

function bodyOf(
  message: OutgoingMessage,
  part: Part,
  type: ReturnType<typeof messagingType>,
  isFirst: boolean,
): object {
  const quoted = message.chat?.quotes ?? null;
  return {
    recipient: { id: message.chat?.conversation.address ?? message.to[0]?.address },
    ...type,
    message: { ...part, metadata: ownMark(message) },
    ...(isFirst && quoted !== null && { reply_to: { mid: quoted } }),
  };
}

async function hand(
  call: MessengerCall,
  body: object,
  transmitting: () => Promise<void>,
): Promise<string> {
  const path = `/${call.settings.page_id}/messages`;
  const request = await graphRequest(call, 'POST', path, { json: body });
  const answer = await transmit(call, messengerVendor, request, transmitting);
  if (answer.status >= 300) throw await messengerFailure(call, answer);
  const sent = Sent.safeParse(jsonOrUndefined(answer.body.toString()));
  if (sent.success) return sent.data.message_id;
  throw new ProviderFailure({
    code: 'messenger.answer_unreadable',
    class: 'retry',
    message: 'Facebook took the message, but its answer can’t be read.',
    uncertain: true,
  });
}

/** @throws ProviderFailure, `uncertain`: sent anew as a whole, the first parts would arrive twice */
async function handRest(
  call: MessengerCall,
  body: object,
  done: number,
  all: number,
): Promise<string> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await hand(call, body, async () => {});
    } catch (error) {
      if (!(error instanceof ProviderFailure)) throw error;
      const { retryAfterMs = PAUSE_MS } = error;
      const passes = ['retry', 'wait'].includes(error.class) && error.uncertain !== true;
      if (!passes || tries === TRIES || retryAfterMs > LONGEST_PAUSE_MS)
        throw new ProviderFailure(
          {
            code: 'messenger.partly_sent',
            class: 'retry',
            message: `Of the answer’s ${all} parts ${done} arrived, and the next did not: ${error.message}`,
            uncertain: true,
          },
          { cause: error },
        );
      await delay(retryAfterMs, undefined, { signal: call.signal });
    }
  }
}

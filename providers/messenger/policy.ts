import { ProviderFailure } from '../../domain/failure.ts';
import type { OutgoingMessage } from '../contract.ts';

const DAY_MS = 86_400_000;
const HUMAN_AGENT = 'HUMAN_AGENT';

/**
 * The tags under which an answer may be sent after the window, and how long after the customer's latest message. Of
 * Messenger's tags this one is left: since 27 April 2026 CONFIRMED_EVENT_UPDATE, ACCOUNT_UPDATE and POST_PURCHASE_UPDATE
 * are refused with error 100
 * (https://developers.facebook.com/documentation/business-messaging/messenger-platform/send-messages#message-tags).
 */
export const TAGS: Readonly<Record<string, number>> = { [HUMAN_AGENT]: 7 * DAY_MS };

/**
 * As what a message is sent: a template at any time; inside the window an answer or an update, after it under its tag.
 * @throws ProviderFailure
 */
export function messagingType(
  { automatic, chat }: Pick<OutgoingMessage, 'automatic' | 'chat'>,
  now = new Date(),
): { readonly messaging_type: string; readonly tag?: string } {
  if (chat?.template) return { messaging_type: 'UTILITY' };
  const windowEndsAt = chat?.conversation.windowEndsAt;
  const isOpen = chat === undefined || (windowEndsAt != null && windowEndsAt > now);
  if (isOpen || chat.tag === null) return { messaging_type: automatic ? 'UPDATE' : 'RESPONSE' };
  if (TAGS[chat.tag] === undefined)
    throw refusal('tag_unknown', `Messenger has no tag "${chat.tag}"; it has ${HUMAN_AGENT}.`);
  if (automatic)
    throw refusal(
      'tag_for_people',
      `Under the tag ${HUMAN_AGENT} only what a person wrote may be sent.`,
    );
  return { messaging_type: 'MESSAGE_TAG', tag: chat.tag };
}

export function refusal(code: string, message: string): ProviderFailure {
  return new ProviderFailure({ code: `messenger.${code}`, class: 'give_up', message });
}

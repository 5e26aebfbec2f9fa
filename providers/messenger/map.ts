import type { ChatMessage } from '../../domain/chat.ts';
import { storable } from '../../domain/mail/storable.ts';
import { chatMessage } from '../chat-message.ts';
import type { SourceMeta } from '../contract.ts';
import { storedCall } from '../graph-webhook.ts';
import { contentOf } from './content.ts';
import { markedMessage } from '../own-mark.ts';
import { eventsOf, unreadableOf, type Event, type PageEvent } from './webhook.ts';

/**
 * Reads one stored event: a call of Meta's that holds this event alone.
 * @throws Error where there is none in it that can be kept
 */
export function readEvent(source: Buffer, { receivedAt }: SourceMeta): ChatMessage {
  const { pageId, event, isStandby } = onlyEvent(source);
  const content = contentOf(event);
  const isEcho = event.message?.is_echo === true;
  const person = isEcho ? event.recipient?.id : event.sender?.id;
  if (!content || person === undefined)
    throw new Error('The source holds no event of Messenger’s that can be kept.');
  const party = { address: person, name: '' };
  const sentAs = isEcho ? markedMessage(event.message?.metadata) : null;
  return storable({
    message: chatMessage({
      channel: 'messenger',
      party,
      ours: pageId,
      isEcho,
      isNotice: content.isNotice,
      text: content.text,
      at: timeOf(event, receivedAt),
      receivedAt,
      facts: {
        message_type: content.type,
        page_id: pageId,
        sender_id: person,
        ...(isStandby && { standby: true }),
        ...content.facts,
      },
    }),
    party,
    answers: content.about,
    media: content.media,
    opensWindow: !isEcho && content.opensWindow,
    ...(sentAs !== null && { sentAs }),
    ...(content.reaction && { reaction: content.reaction }),
    notes: content.notes,
  });
}

function onlyEvent(source: Buffer): PageEvent {
  const call = storedCall(source);
  const [event] = eventsOf(call);
  if (event) return event;
  const [unreadable] = unreadableOf(call);
  throw new Error(
    unreadable
      ? `This event of Messenger’s can’t be read: ${unreadable.fault}.`
      : 'The source is no call of Messenger’s.',
  );
}

function timeOf({ timestamp }: Event, receivedAt: Date): Date {
  const at = new Date(timestamp ?? Number.NaN);
  return Number.isNaN(at.getTime()) ? receivedAt : at;
}

/** Under which an event is kept once, however often it comes; null for what is not kept. */
export function eventId(event: Event): string | null {
  const { message, message_edit: edit, reaction, postback, referral, timestamp = 0 } = event;
  const person = event.sender?.id ?? '';
  if (message) return message.is_deleted === true ? `${message.mid}#deleted` : message.mid;
  if (edit) return `${edit.mid}#edit-${edit.num_edit}`;
  if (reaction) return `${reaction.mid}#reaction-${person}-${timestamp}`;
  if (postback) return postback.mid ?? `postback-${person}-${timestamp}`;
  return referral ? `referral-${person}-${timestamp}` : null;
}

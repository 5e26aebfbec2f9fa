import type { ChatMessage, ChatParty } from '../../domain/chat.ts';
import { storable } from '../../domain/mail/storable.ts';
import { e164OfDigits } from '../../domain/phone.ts';
import { chatMessage } from '../chat-message.ts';
import type { SourceMeta } from '../contract.ts';
import { faultOf, storedCall } from '../graph-webhook.ts';
import { contentOf } from './content.ts';
import { changesOf, concerns, Message, Status, type Value } from './webhook.ts';

/**
 * Reads one stored message: a call of Meta's that holds this message alone.
 * @throws Error where there is none in it
 */
export function readMessage(source: Buffer, { receivedAt }: SourceMeta): ChatMessage {
  const { value, message, isEcho } = onlyMessage(source);
  const business = e164OfDigits(value.metadata?.display_phone_number ?? '');
  const person = personOf(value, message, isEcho);
  const party = partyOf(person);
  const content = contentOf(message);
  return storable({
    message: chatMessage({
      channel: 'whatsapp',
      party,
      ours: business,
      isEcho,
      isNotice: content.isNotice ?? false,
      text: content.text,
      at: timeOf(message, receivedAt),
      receivedAt,
      facts: {
        message_type: message.type,
        phone_number: party.address.startsWith('+') ? party.address : null,
        business_phone_number: business,
        phone_number_id: value.metadata?.phone_number_id ?? null,
        ...idsOf(person),
        ...content.facts,
        ...(isEcho ? { sent_beside_us: true } : {}),
      },
    }),
    party,
    answers: content.about ?? (message.context?.id === undefined ? [] : [message.context.id]),
    media: content.media,
    opensWindow: !isEcho && !content.isNotice && content.reaction === undefined,
    ...(content.reaction ? { reaction: content.reaction } : {}),
    notes: content.notes,
  });
}

function onlyMessage(source: Buffer): { value: Value; message: Message; isEcho: boolean } {
  for (const { value } of changesOf(storedCall(source))) {
    const isEcho = value.messages.length === 0;
    for (const found of isEcho ? value.message_echoes : value.messages) {
      const message = Message.safeParse(found);
      if (message.success) return { value, message: message.data, isEcho };
      throw new Error(`This message of WhatsApp’s can’t be read: ${faultOf(Message, found)}.`);
    }
    const report = value.statuses.find((one) => !Status.safeParse(one).success);
    if (report !== undefined)
      throw new Error(`This report of WhatsApp’s can’t be read: ${faultOf(Status, report)}.`);
  }
  throw new Error('There is no message in this call of WhatsApp’s.');
}

interface Person {
  /** As WhatsApp has it: digits, not always those that are dialled. */
  readonly number: string | undefined;
  readonly userId: string | undefined;
  readonly username: string | undefined;
  readonly name: string;
}

/** The customer, from the message itself and from what the call tells of its people. */
function personOf({ contacts }: Value, message: Message, isEcho: boolean): Person {
  const number = isEcho ? message.to : message.from;
  const userId = isEcho ? message.to_user_id : message.from_user_id;
  const contact =
    contacts.find((one) => concerns(one, message)) ??
    (contacts.length === 1 && !isEcho ? contacts[0] : undefined);
  const username = contact?.profile?.username;
  return {
    number: number ?? contact?.wa_id,
    userId: userId ?? contact?.user_id,
    username,
    name: contact?.profile?.name ?? username ?? '',
  };
}

/**
 * The conversation's key: the number, or, where somebody who has a user name keeps it to himself, the id that Meta
 * gives him for this business.
 */
function partyOf({ number, userId, name }: Person): ChatParty {
  if (number !== undefined && /\d/.test(number)) return { address: e164OfDigits(number), name };
  if (userId !== undefined) return { address: userId, name };
  throw new Error('This message of WhatsApp’s names nobody whom it is from.');
}

function idsOf({ number, userId, username }: Person): Record<string, string> {
  return {
    ...(number !== undefined && { wa_id: number }),
    ...(userId !== undefined && { user_id: userId }),
    ...(username !== undefined && { username }),
  };
}

/** Seconds since 1970. */
function timeOf({ timestamp }: Message, receivedAt: Date): Date {
  const at = new Date((timestamp ?? 0) * 1000);
  return timestamp === undefined || Number.isNaN(at.getTime()) ? receivedAt : at;
}

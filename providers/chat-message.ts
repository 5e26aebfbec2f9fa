import type { ChatParty } from '../domain/chat.ts';
import type { MessageChannel, NormalizedMessage } from '../domain/message.ts';

/** What a chat's vendor tells of one message. */
export interface ChatTold {
  readonly channel: MessageChannel;
  readonly party: ChatParty;
  /** Our number or page. */
  readonly ours: string;
  /** It was sent beside us. */
  readonly isEcho: boolean;
  /** No words of anybody: something happened. */
  readonly isNotice: boolean;
  readonly text: string;
  readonly at: Date;
  readonly receivedAt: Date;
  /** What only this channel knows. */
  readonly facts: Readonly<Record<string, unknown>>;
}

/** The normalized form of a message between one person and us. */
export function chatMessage(told: ChatTold): NormalizedMessage {
  const us = { address: told.ours, name: '' };
  const [from, to] = told.isEcho ? [us, told.party] : [told.party, us];
  return {
    channel: told.channel,
    direction: told.isEcho ? 'outbound' : 'inbound',
    kind: told.isNotice ? 'notification' : 'message',
    status: told.isEcho ? 'sent' : 'received',
    priority: 'normal',
    from: from.address,
    sender: from,
    reply_to: [],
    to: [to],
    cc: [],
    bcc: [],
    subject: null,
    content: told.text,
    new_content: told.text,
    quoted_content: null,
    html: null,
    timestamp: told.at.toISOString(),
    received_at: told.receivedAt.toISOString(),
    message_id: null,
    in_reply_to: [],
    references: [],
    attachments: [],
    metadata: { service_specific_data: {}, platform_specific: { ...told.facts } },
  };
}

import { Readable } from 'node:stream';
import type { OutgoingChat, OutgoingMessage } from '../../../providers/contract.ts';

/** An agent's answer to a customer's mail, with an attachment of 300 kB. */
export function outgoing(messageId = 'own.1@example.test'): OutgoingMessage {
  return {
    id: 'msg_1',
    messageId,
    from: { name: 'Support', address: 'support@example.test' },
    replyTo: 'support+1@example.test',
    to: [{ name: 'Ada', address: 'ada@x.test' }],
    cc: [{ name: '', address: 'bob@x.test' }],
    subject: 'Größe 42',
    text: 'Guten Tag,\n\n.ein Punkt\n',
    html: '<p><b>Guten Tag</b></p>',
    inReplyTo: 'question@x.test',
    references: ['first@x.test', 'question@x.test'],
    attachments: [
      {
        filename: 'Rechnung Ä.pdf',
        contentType: 'application/pdf',
        size: 300_000,
        content: () => Readable.from([Buffer.alloc(150_000, 1), Buffer.alloc(150_000, 2)]),
      },
    ],
    automatic: false,
    ticketNumber: 7,
  };
}

type Given = Partial<Omit<OutgoingMessage, 'chat'>> & { readonly chat?: Partial<OutgoingChat> };

/** An answer on a chat, while its window is open. @param address the customer's */
export function chatAnswer(
  address: string,
  { chat = {}, ...message }: Given = {},
): OutgoingMessage {
  const windowEndsAt = new Date(Date.now() + 3_600_000);
  return {
    ...outgoing(),
    to: [{ name: 'Ada', address }],
    cc: [],
    html: null,
    attachments: [],
    ...message,
    chat: {
      conversation: { address, windowEndsAt, optedOutAt: null },
      quotes: null,
      template: null,
      interactive: null,
      tag: null,
      ...chat,
    },
  };
}

export function fileOf(
  contentType: string,
  filename: string,
  bytes = Buffer.from(`bytes of ${filename}`),
): OutgoingMessage['attachments'][number] {
  return { filename, contentType, size: bytes.length, content: () => Readable.from([bytes]) };
}

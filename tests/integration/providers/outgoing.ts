import { Readable } from 'node:stream';
import type { OutgoingMessage } from '../../../providers/contract.ts';

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

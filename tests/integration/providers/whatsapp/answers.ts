import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import type { OutgoingChat, OutgoingMessage } from '../../../../providers/contract.ts';
import { outgoing } from '../outgoing.ts';

export const CUSTOMER = '+4915112345678';

type Given = Partial<Omit<OutgoingMessage, 'chat'>> & { readonly chat?: Partial<OutgoingChat> };

/** An answer on a conversation whose window is open. */
export function chatOf({ chat = {}, ...message }: Given = {}): OutgoingMessage {
  return {
    ...outgoing(),
    to: [{ name: 'Ada', address: CUSTOMER }],
    cc: [],
    html: null,
    attachments: [],
    ...message,
    chat: {
      conversation: { address: CUSTOMER, windowEndsAt: new Date(), optedOutAt: null },
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

/** An address on which nothing listens. */
export async function unused(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // a TCP listener has one
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  DoorRefusal,
  type ChannelProvider,
  type DoorReceipt,
  type DoorRequest,
  type ProviderCall,
} from '../../../../providers/contract.ts';

/** A provider's door over HTTP, as the core keeps it; what it brings is kept to be looked at. */
export interface OpenDoor {
  readonly url: string;
  readonly receipts: DoorReceipt[];
  /** Codes of the calls that were not let in. */
  readonly refusals: string[];
  close(): Promise<void>;
}

/** A vendor's POST, as the core hands it to a door. */
export function posted(
  headers: DoorRequest['headers'],
  body: string | Buffer,
  receivedAt = new Date(),
): DoorRequest {
  return {
    method: 'POST',
    headers,
    query: {},
    body: typeof body === 'string' ? Buffer.from(body) : body,
    receivedAt,
  };
}

/** @param call what the door is called with, made anew for each request */
export async function openDoor<Settings>(
  { door }: ChannelProvider<Settings>,
  call: () => ProviderCall<Settings>,
): Promise<OpenDoor> {
  const receipts: DoorReceipt[] = [];
  const refusals: string[] = [];
  const server = createServer((incoming, response) => {
    const answer = async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
      const request: DoorRequest = {
        method: incoming.method!,
        headers: incoming.headers,
        query: Object.fromEntries(new URL(incoming.url!, 'http://door.invalid').searchParams),
        body: Buffer.concat(chunks),
        receivedAt: new Date(),
      };
      const given = call();
      await door!.verify(request, given, () => false);
      const receipt = await door!.receive(request, given);
      receipts.push(receipt);
      response.writeHead(receipt.answer?.status ?? 200).end(receipt.answer?.body);
    };
    answer().catch((error: unknown) => {
      if (error instanceof DoorRefusal) {
        refusals.push(error.code);
        response.writeHead(error.status).end();
      } else response.writeHead(503).end(String(error));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, // listens on TCP: never a path
    receipts,
    refusals,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

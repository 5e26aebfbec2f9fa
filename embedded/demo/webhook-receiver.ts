import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { Webhook } from 'standardwebhooks';
import { DomainEvent } from '../../domain/events.ts';

export interface WebhookReceiver {
  readonly url: string;
  /** Each event once, in the order of arrival; only those whose signatures are right. */
  readonly events: readonly DomainEvent[];
  /** How many came with a wrong signature; they are answered 401. */
  readonly refused: () => number;
  /** From now on the deliveries must be signed with this secret. */
  expectSecret(secret: string): void;
  close(): Promise<void>;
}

/** A webhook receiver on loopback that checks both signatures as its author would: with libraries of others. */
export async function webhookReceiver(): Promise<WebhookReceiver> {
  const events: DomainEvent[] = [];
  let secret = '';
  let refused = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('error', () => undefined); // the sender broke off and will come again
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      if (!isAuthentic(secret, request.headers, body)) {
        refused += 1;
        response.writeHead(401).end();
        return;
      }
      const event = DomainEvent.parse(JSON.parse(body.toString()));
      if (!events.some(({ id }) => id === event.id)) events.push(event);
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.listen(0, '127.0.0.1', done);
  });
  const address = server.address();
  if (typeof address !== 'object' || address === null)
    throw new Error('The webhook receiver has no port.');
  return {
    url: `http://127.0.0.1:${address.port}/`,
    events,
    refused: () => refused,
    expectSecret: (given) => void (secret = given),
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

function isAuthentic(secret: string, headers: IncomingHttpHeaders, body: Buffer): boolean {
  const wanted = createHmac('sha256', secret).update(body).digest();
  const given = Buffer.from(String(headers['x-webhook-signature'] ?? ''), 'hex');
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return false;
  try {
    new Webhook(secret).verify(body.toString(), headers as Record<string, string>); // it reads three plain ones
    return true;
  } catch {
    return false;
  }
}

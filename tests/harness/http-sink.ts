import { createServer, type IncomingHttpHeaders } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly at: Date;
}

export interface SinkAnswer {
  /** Default 200. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly delayMs?: number;
  /** `hang` never answers; `drop` cuts the connection. */
  readonly fault?: 'hang' | 'drop';
}

/** A real HTTP server on loopback that keeps what it gets and answers as told. */
export interface HttpSink {
  readonly url: string;
  readonly port: number;
  readonly requests: ReceivedRequest[];
  /** One answer for each coming request, in order; before those of `answerWith`. */
  answerNext(...answers: SinkAnswer[]): void;
  /** The answer to all others; default an empty 200. */
  answerWith(answer: SinkAnswer | ((request: ReceivedRequest) => SinkAnswer)): void;
  /** Waits until that many requests came in all. */
  waitFor(count: number, timeoutMs?: number): Promise<readonly ReceivedRequest[]>;
  close(): Promise<void>;
}

export async function httpSink(): Promise<HttpSink> {
  const requests: ReceivedRequest[] = [];
  const queued: SinkAnswer[] = [];
  const watchers = new Set<() => void>();
  let standing: SinkAnswer | ((request: ReceivedRequest) => SinkAnswer) = {};

  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('error', () => undefined); // a client that breaks off is part of the tests
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const request = {
        method: incoming.method ?? '',
        path: incoming.url ?? '',
        headers: incoming.headers,
        body: Buffer.concat(chunks),
        at: new Date(),
      };
      requests.push(request);
      const answer =
        queued.shift() ?? (typeof standing === 'function' ? standing(request) : standing);
      for (const look of watchers) look();
      void (async () => {
        if (answer.delayMs) await sleep(answer.delayMs);
        if (answer.fault === 'drop') incoming.socket.destroy();
        else if (answer.fault !== 'hang')
          response.writeHead(answer.status ?? 200, answer.headers).end(answer.body ?? '');
      })();
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  if (typeof address !== 'object' || address === null)
    throw new Error('The HTTP sink has no port.');

  return {
    url: `http://127.0.0.1:${address.port}`,
    port: address.port,
    requests,
    answerNext: (...answers) => void queued.push(...answers),
    answerWith: (answer) => void (standing = answer),
    waitFor: (count, timeoutMs = 45_000) =>
      new Promise((done, fail) => {
        const look = () => {
          if (requests.length < count) return;
          clearTimeout(timer);
          watchers.delete(look);
          done(requests);
        };
        const timer = setTimeout(() => {
          watchers.delete(look);
          fail(new Error(`${requests.length} of ${count} requests came within ${timeoutMs} ms.`));
        }, timeoutMs);
        watchers.add(look);
        look();
      }),
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}

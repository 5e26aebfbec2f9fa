import { createServer, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * What happens to a vendor's call on its way: `unreached`, nothing arrives; `cut` in the middle of its body;
 * `given_up` by the vendor when all was sent; `answer_lost`, done and not heard of; `twice` at the same time.
 */
const FAULTS = ['unreached', 'cut', 'given_up', 'answer_lost', 'twice'] as const;
export type LineFault = (typeof FAULTS)[number];

/** A bad line between a vendor and a door; the vendor behind it calls again until it hears a 2xx, as vendors do. */
export interface BadLine {
  /** What the vendor is told to call. */
  readonly url: string;
  /** How often what happened. */
  readonly happened: Readonly<Record<LineFault, number>>;
  close(): Promise<void>;
}

export interface Call {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly target: URL;
}

const MOST_TRIES = 60;

/** @param rate of calls that fail, 0 to 1 */
export async function badLine(door: string, rate: number): Promise<BadLine> {
  const happened: Record<LineFault, number> = {
    unreached: 0,
    cut: 0,
    given_up: 0,
    answer_lost: 0,
    twice: 0,
  };
  let calls = 0;
  const every = Math.round(1 / rate);
  /** One call in every so many, the faults in turn: a run of few calls sees them all. */
  const next = (): LineFault | null => {
    calls += 1;
    return calls % every === 0 ? FAULTS[(calls / every) % FAULTS.length]! : null;
  };

  async function reach(call: Call): Promise<{ status: number; body: string }> {
    let last = { status: 0, body: 'never reached' };
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const fault = next();
      if (fault) happened[fault] += 1;
      last = await once(call, fault).catch((error: unknown) => ({
        status: 0,
        body: String(error),
      }));
      if (last.status >= 200 && last.status < 300) return last;
      await sleep(20 * Math.min(tries + 1, 20));
    }
    return last;
  }

  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const { method = 'POST', url = '/', headers } = incoming;
      void reach({ method, headers, body: Buffer.concat(chunks), target: new URL(url, door) }).then(
        ({ status, body }) => response.writeHead(status || 502).end(body),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // listens on TCP: never a path
  const { pathname, search } = new URL(door);
  return {
    url: `http://127.0.0.1:${port}${pathname}${search}`,
    happened,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function once(
  call: Call,
  fault: LineFault | null,
): Promise<{ status: number; body: string }> {
  switch (fault) {
    case 'unreached':
      return { status: 0, body: '' };
    case 'cut':
    case 'given_up':
      return breakOff(call, fault === 'cut' ? call.body.length >> 1 : call.body.length);
    case 'answer_lost':
      return { ...(await send(call)), status: 0 };
    case 'twice':
      return (await Promise.all([send(call), send(call)]))[1];
    case null:
      return send(call);
  }
}

export interface Heard {
  readonly status: number;
  readonly body: string;
  readonly contentType?: string;
}

export function send({ method, headers, body, target }: Call): Promise<Heard> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(target, { method, headers, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () =>
        resolve({
          status: answer.statusCode ?? 0,
          body: Buffer.concat(chunks).toString(),
          contentType: answer.headers['content-type'],
        }),
      );
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

function breakOff({ method, headers, body, target }: Call, bytes: number) {
  return new Promise<{ status: number; body: string }>((resolve) => {
    const outgoing = httpRequest(target, { method, headers, agent: false });
    outgoing.on('error', () => resolve({ status: 0, body: '' }));
    outgoing.on('close', () => resolve({ status: 0, body: '' }));
    outgoing.write(body.subarray(0, bytes), () => setTimeout(() => outgoing.destroy(), 5));
  });
}

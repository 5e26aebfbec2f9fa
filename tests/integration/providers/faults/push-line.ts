import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { send, type Call, type Heard } from './line.ts';

/**
 * What happens to a push: `dropped` for good, though the vendor hears that it was taken; `twice` at the same time;
 * `late`, after those that come next; `unheard`, taken and told to the vendor as a failure, which pushes it again.
 */
const FAULTS = ['dropped', 'twice', 'late', 'unheard'] as const;
type PushFault = (typeof FAULTS)[number];

/** The public address of an installation: all that comes passes, and some of the vendors' pushes badly. */
export interface PushLine {
  /** Of pushes, from now on that share goes wrong; 0 ends it. */
  fail(rate: number): void;
  readonly happened: Readonly<Record<PushFault | 'passed', number>>;
  close(): Promise<void>;
}

const LATE_MS = 400;

/** @param isPush which calls may go wrong @returns the line, and its address */
export async function pushLine(
  apiUrl: string,
  isPush: (request: Pick<IncomingMessage, 'method' | 'url'>) => boolean,
): Promise<PushLine & { readonly url: string }> {
  const happened = { dropped: 0, twice: 0, late: 0, unheard: 0, passed: 0 };
  let every = 0;
  let pushes = 0;
  /** One push in every so many, the faults in turn: a run of few sees them all. */
  const next = (): PushFault | null => {
    if (every === 0) return null;
    pushes += 1;
    return pushes % every === 0 ? FAULTS[(pushes / every) % FAULTS.length]! : null;
  };

  async function pass(call: Call, fault: PushFault | null): Promise<Heard> {
    switch (fault) {
      case 'dropped':
        return { status: 202, body: '' };
      case 'twice':
        return (await Promise.all([send(call), send(call)]))[1];
      case 'late':
        await sleep(LATE_MS);
        return send(call);
      case 'unheard':
        await send(call);
        return { status: 503, body: '' };
      case null:
        return send(call);
    }
  }

  const server = createServer((incoming, response) => {
    const answer = async () => {
      const body = Buffer.concat((await incoming.toArray()) as Buffer[]); // no encoding is set
      const { method = 'POST', url = '/', headers } = incoming;
      const fault = isPush(incoming) ? next() : null;
      if (isPush(incoming)) happened[fault ?? 'passed'] += 1;
      return pass({ method, headers, body, target: new URL(url, apiUrl) }, fault);
    };
    answer().then(
      ({ status, body, contentType }) =>
        response.writeHead(status, contentType ? { 'content-type': contentType } : {}).end(body),
      () => incoming.socket.destroy(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // listens on TCP: never a path
  return {
    url: `http://127.0.0.1:${port}`,
    happened,
    fail(rate) {
      every = rate > 0 ? Math.round(1 / rate) : 0;
      pushes = 0;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

// A receiver of webhooks in a process of its own, so that its CPU is not counted. Counts what comes, by id, and how long
// each event took from being raised (`data.raisedAt`, milliseconds of the same clock) to its arrival.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { now, type Received, type ReceiverRequest } from './delivery-messages.ts';

function listen(send: (message: unknown) => void): void {
  let requests = 0;
  let failing = 0;
  let last = 0;
  let ids = new Set<string>();
  let delays: number[] = [];
  const server = createServer({ keepAliveTimeout: 60_000 }, (incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      last = now();
      requests += 1;
      const id = String(incoming.headers['webhook-id']);
      const isNew = !ids.has(id);
      ids.add(id);
      const raised = /"raisedAt": ?([\d.]+)/.exec(Buffer.concat(chunks).toString('latin1'));
      if (raised && isNew) delays.push(last - Number(raised[1]));
      response.writeHead(isNew && Math.random() < failing ? 500 : 200).end();
    });
  });
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo; // it listens on a port
    send({ port });
  });
  process.on('message', (request: ReceiverRequest) => {
    if (request.ask === 'reset') {
      [requests, last, ids, delays] = [0, 0, new Set(), []];
      failing = request.failing ?? 0;
    }
    send({ requests, ids: ids.size, last, delays } satisfies Received);
  });
}

listen((message) => process.send!(message));

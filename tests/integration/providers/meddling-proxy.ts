import { createServer, connect, type AddressInfo, type Socket } from 'node:net';

/** Stands between client and server, and changes what the server says. */
export interface MeddlingProxy {
  readonly port: number;
  readonly connections: () => number;
  close(): Promise<void>;
}

/**
 * @param meddle what becomes of the server's bytes; `cut` ends the connection instead
 */
export async function meddlingProxy(
  target: number,
  meddle: (chunk: Buffer, connection: number) => Buffer | 'cut',
): Promise<MeddlingProxy> {
  const open = new Set<Socket>();
  let connections = 0;
  const server = createServer((client) => {
    const number = connections++;
    const upstream = connect({ host: '127.0.0.1', port: target });
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        open.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.pipe(upstream);
    upstream.on('data', (chunk: Buffer) => {
      const changed = meddle(chunk, number);
      if (changed === 'cut') client.destroy();
      else client.write(changed);
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        for (const socket of open) socket.destroy();
      }),
  };
}

import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** A port that another program holds; the message names the port and the variable to change. */
export class PortTaken extends Error {
  override name = 'PortTaken';
}

/** Below those that systems give to whoever asks for any (Linux from 32768, others from 49152): it stays free until it is bound. */
const PLACES = { from: 10_000, to: 32_768 };
const given = new Set<number>();

/** Any TCP port that is free at the moment, never the same one twice in this process. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let attempt = 0; attempt < 1_000; attempt += 1) {
    const port = randomInt(PLACES.from, PLACES.to);
    if (given.has(port)) continue;
    given.add(port);
    if ((await listenOnce(host, port, ['EACCES'])) !== undefined) return port;
  }
  throw new Error(`No free port on ${host}.`);
}

/** @throws PortTaken where `port` can't be bound on `host`. */
export async function requireFreePort(
  host: string,
  port: number,
  variable: string,
  use: string,
): Promise<void> {
  if (port === 0 || (await listenOnce(host, port)) !== undefined) return;
  throw new PortTaken(
    `Port ${port} on ${host}, wanted for ${use}, is taken by another program. ` +
      `End that program, or choose another port: ${variable}=${port + 1000 > 65535 ? port - 1000 : port + 1000} npm start`,
  );
}

/** The port that could be bound, or undefined where it is taken. @param passedOver other codes of a port that is not to be had */
function listenOnce(
  host: string,
  port: number,
  passedOver: readonly string[] = [],
): Promise<number | undefined> {
  return new Promise((done, fail) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      const code = error.code ?? '';
      if (code === 'EADDRINUSE' || passedOver.includes(code)) done(undefined);
      else fail(new Error(`Can't listen on ${host}:${port}: ${error.message}`, { cause: error }));
    });
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address();
      const bound = typeof address === 'object' && address ? address.port : port;
      server.close(() => done(bound));
    });
  });
}

import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Tethered } from '../../embedded/tether.ts';

const WITHIN_MS = 120_000;

/**
 * Until a server listens on all of its ports of loopback.
 * @param log what else it wrote
 * @throws Error with its last words where it ends, or does not
 */
export async function untilListening(
  server: Tethered,
  ports: readonly number[],
  log: () => string = () => '',
): Promise<void> {
  const deadline = Date.now() + WITHIN_MS;
  let ended = false;
  void server.exited.then(() => (ended = true));
  for (const port of ports)
    for (; !(await answers(port)); await sleep(20))
      if (ended || Date.now() > deadline)
        throw new Error(`${server.name} did not start:\n${server.logTail()}\n${log()}`);
}

function answers(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('error', () => done(false));
    socket.once('connect', () => {
      socket.destroy();
      done(true);
    });
  });
}

import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { InternalConnectionOptionsSymbol } from '@temporalio/client/lib/connection.js';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { NativeConnection, Runtime } from '@temporalio/worker';
import { freePort } from '../../embedded/ports.ts';
import { startTethered, type Tethered } from '../../embedded/tether.ts';

const READY_WITHIN_MS = 120_000;

/** The SDK's own environment, around a server that may take its time: the SDK gives it five seconds to start. */
export class SkippingEnvironment extends TestWorkflowEnvironment {
  #end: () => Promise<void> = () => Promise.resolve();

  /** @param executable takes the port that it is to listen on */
  static async start(executable: string): Promise<SkippingEnvironment> {
    const folder = mkdtempSync(join(tmpdir(), 'postroom-skipping-'));
    const port = await freePort();
    const server = startTethered({
      name: 'time-skipping',
      command: executable,
      args: [String(port)],
      log: join(folder, 'server.log'),
      stopSignal: 'TERM',
    });
    await untilListening(port, server);
    const address = `127.0.0.1:${port}`;
    const options = { address, [InternalConnectionOptionsSymbol]: { supportsTestService: true } };
    const environment = new this(
      Runtime.instance(),
      { server: { type: 'existing' }, client: {}, plugins: [] },
      true,
      'existing',
      await Connection.connect(options),
      await NativeConnection.connect(options),
      undefined,
      address,
    );
    environment.#end = async () => {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    };
    return environment;
  }

  override async teardown(): Promise<void> {
    await super.teardown();
    await this.#end();
  }
}

async function untilListening(port: number, server: Tethered): Promise<void> {
  let ended = false;
  void server.exited.then(() => (ended = true));
  for (const deadline = Date.now() + READY_WITHIN_MS; !(await answers(port)); await sleep(50)) {
    if (ended || Date.now() > deadline)
      throw new Error(`The time-skipping server did not start:\n${server.logTail()}`);
  }
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

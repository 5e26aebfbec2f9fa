import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { InternalConnectionOptionsSymbol } from '@temporalio/client/lib/connection.js';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { NativeConnection, Runtime } from '@temporalio/worker';
import { freePort } from '../../embedded/ports.ts';
import { startTethered } from '../../embedded/tether.ts';
import { untilListening } from './listening.ts';

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
    await untilListening(server, [port]);
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

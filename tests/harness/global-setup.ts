import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';

declare global {
  var postroomTestParts: ChildProcess | undefined;
}

/**
 * Offers the shared servers to all test files; each starts when a file first asks for it. They live
 * in a process of their own, because jest would load their modules in its own way.
 */
export default async function globalSetup(): Promise<void> {
  const server = spawn(process.execPath, [join(import.meta.dirname, 'parts-server.ts')], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  globalThis.postroomTestParts = server;
  process.env.POSTROOM_TEST_PARTS = await new Promise<string>((done, fail) => {
    server.stdout.once('data', (line: Buffer) => done(line.toString().trim()));
    server.once('exit', (code) => fail(new Error(`The test servers' process ended with ${code}.`)));
  });
}

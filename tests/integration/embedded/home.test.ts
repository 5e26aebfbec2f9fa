import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AlreadyRunning, lockHome } from '../../../embedded/lock.ts';
import { freePort, PortTaken, requireFreePort } from '../../../embedded/ports.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'postroom-home-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

describe('the lock of a home', () => {
  it('is held by one process at a time, and freed by kill -9', async () => {
    const script = join(home, 'holder.ts');
    writeFileSync(
      script,
      `const { lockHome } = await import(${JSON.stringify(join(import.meta.dirname, '../../../embedded/lock.ts'))});
       lockHome(${JSON.stringify(home)});
       process.stdout.write('held');
       setInterval(() => undefined, 1000);`,
    );
    const holder = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((done) => holder.stdout.once('data', done));
    expect(() => lockHome(home)).toThrow(AlreadyRunning);

    const gone = new Promise((done) => holder.once('exit', done));
    holder.kill('SIGKILL');
    await gone;
    lockHome(home).release();
  });

  it('leaves other homes alone', () => {
    const one = lockHome(join(home, 'one'));
    const two = lockHome(join(home, 'two'));
    one.release();
    two.release();
  });
});

describe('a port', () => {
  it('that is taken is named, with the variable that changes it', async () => {
    const port = await freePort();
    const server = createServer();
    await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
    const check = requireFreePort('127.0.0.1', port, 'POSTROOM_API_PORT', 'the API');
    await expect(check).rejects.toThrow(PortTaken);
    await expect(check).rejects.toThrow(
      new RegExp(`Port ${port} .* taken .*POSTROOM_API_PORT=`, 's'),
    );
    await new Promise((done) => server.close(done));
    await requireFreePort('127.0.0.1', port, 'POSTROOM_API_PORT', 'the API');
  });
});

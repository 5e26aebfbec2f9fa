import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  bareEnvironment,
  eventually,
  startedProduct,
  type RunningProduct,
} from '../harness/index.ts';

const root = join(import.meta.dirname, '../..');

describe('npm start', () => {
  let product: RunningProduct;
  beforeAll(async () => {
    product = await startedProduct({ ownServers: true });
  }, 240_000);
  afterAll(() => product.remove());

  it('prints a key and two commands that work as printed', async () => {
    expect(product.key).not.toBeNull();
    const [send = '', show = ''] = product.stdout().match(/^(printf|curl) .*$/gm) ?? [];
    await bash(send);
    await eventually(async () => {
      const { data } = JSON.parse(await bash(show)) as { data: { subject: string }[] };
      expect(data).toMatchObject([{ subject: 'The printer is on fire' }]);
    });
  });

  it('serves its docs and the Temporal UI at the addresses printed', async () => {
    for (const url of [`${product.running.apiUrl}/docs`, product.running.temporalUiUrl]) {
      expect(product.stdout()).toContain(url);
      expect((await fetch(url)).status).toBe(200);
    }
  });

  it('says to a second start that it runs already', async () => {
    const second = await bash('npm start --silent 2>&1 || true', product.env);
    expect(second).toContain(`already running with the state in ${product.home}`);
    expect(second).toContain(product.running.apiUrl);
  });

  it('makes another key that works', async () => {
    const key = await bash('npm run --silent key', product.env);
    expect(key).toMatch(/^prk_\S+\n$/);
    const answer = await fetch(`${product.running.apiUrl}/v1/tickets`, {
      headers: { authorization: `Bearer ${key.trim()}` },
    });
    expect(answer.status).toBe(200);
  });

  it('ends at a doubled Ctrl-C within seconds, leaves nothing behind, and keeps everything', async () => {
    const from = Date.now();
    product.signal('SIGINT');
    product.signal('SIGINT');
    expect(await product.exited).toBe(0);
    expect(Date.now() - from).toBeLessThan(25_000);
    await eventually(() => expect(processesNaming(product.home)).toEqual([]));

    const again = await startedProduct({ ownServers: true, home: product.home });
    try {
      expect(again.key).toBeNull();
      const tickets = await bash(
        `curl -s -H "Authorization: Bearer ${product.key}" '${again.running.apiUrl}/v1/tickets'`,
      );
      expect(JSON.parse(tickets)).toMatchObject({ data: [{ subject: 'The printer is on fire' }] });
    } finally {
      await again.stop();
    }
  }, 240_000);

  it('leaves nothing behind when npm itself is killed', async () => {
    // Its kill reaches neither the shell nor Node below it.
    const npm = spawn('npm', ['start', '--silent'], {
      cwd: root,
      env: bareEnvironment(product.env),
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let output = '';
    npm.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await eventually(() => expect(output).toContain('Postroom is running.'), 120_000);
    npm.kill('SIGKILL');
    await eventually(() => expect(processesNaming(product.home)).toEqual([]), 60_000);
  }, 240_000);
});

/** Processes whose command line or environment names this home. */
function processesNaming(home: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
    try {
      const files = ['cmdline', 'environ'].map((file) => readFileSync(`/proc/${pid}/${file}`));
      return files.some((content) => content.includes(home));
    } catch {
      return false;
    }
  });
}

function bash(command: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  return new Promise((done, fail) => {
    execFile(
      'bash',
      ['-o', 'pipefail', '-c', command],
      { cwd: root, env: bareEnvironment(env) },
      (error, stdout, stderr) =>
        error ? fail(new Error(`${command}\n${stderr}`, { cause: error })) : done(stdout),
    );
  });
}

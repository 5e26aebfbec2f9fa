import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTransport } from 'nodemailer';
import { parse } from 'yaml';
import { freePort } from '../../embedded/ports.ts';
import { bareEnvironment, eventually, testDatabase, testTemporal } from '../harness/index.ts';

jest.setTimeout(240_000);

const root = join(import.meta.dirname, '../..');
const { services } = parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8'), {
  merge: true,
}) as { services: Record<string, { build?: string; command?: string[] }> }; // embedded/compose.test.ts checks its shape
const commandOf = (name: string) => services[name]?.command ?? [];
const serving = Object.keys(services).filter((name) => commandOf(name)[0] === 'workers/main.ts');

/** Every command of the compose file, run on the machine itself with the environment it names. */
describe('the services of docker-compose.yml', () => {
  const processes = new Map<string, ChildProcess>();
  const home = mkdtempSync(join(tmpdir(), 'postroom-compose-'));
  let env: Record<string, string>;
  let api: string;

  beforeAll(async () => {
    const temporal = await testTemporal();
    const apiPort = await freePort();
    api = `http://127.0.0.1:${apiPort}`;
    env = {
      NODE_ENV: 'production',
      POSTROOM_LOG_LEVEL: 'error',
      POSTROOM_HOME: home,
      POSTROOM_MASTER_KEY: randomBytes(32).toString('base64'),
      DATABASE_URL: (await testDatabase()).url,
      TEMPORAL_ADDRESS: temporal.address,
      TEMPORAL_NAMESPACE: temporal.namespace,
      POSTROOM_API_PORT: String(apiPort),
      POSTROOM_SMTP_PORT: String(await freePort()),
    };
    await run(commandOf('migrate'), env);
    for (const name of serving) processes.set(name, start(commandOf(name), env));
    await eventually(async () => {
      expect((await fetch(`${api}/readyz`)).status).toBe(200);
    }, 90_000);
  });

  afterAll(async () => {
    await Promise.all([...processes.values()].map(ended));
    rmSync(home, { recursive: true, force: true });
  });

  it('take a mail to its ticket together', async () => {
    const key = /prk_\S+/.exec(await run(['embedded/tenant.ts', 'acme'], env))?.[0] ?? '';
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const channel = { provider: 'smtp', name: 'Help', address: 'help@acme.example', settings: {} };
    const created = await fetch(`${api}/v1/channels`, {
      method: 'POST',
      headers,
      body: JSON.stringify(channel),
    });
    expect(created.status).toBe(201);
    await eventually(async () => {
      await createTransport({
        host: '127.0.0.1',
        port: Number(env.POSTROOM_SMTP_PORT),
        tls: { rejectUnauthorized: false },
      }).sendMail({ from: 'ada@example.com', to: channel.address, subject: 'Hi', text: 'Hi' });
    });
    await eventually(async () => {
      const tickets = await fetch(`${api}/v1/tickets`, { headers });
      expect(await tickets.json()).toMatchObject({ data: [{ subject: 'Hi' }] });
    });
  });

  it.each(serving)('%s ends at SIGTERM within seconds', async (name) => {
    const child = processes.get(name)!;
    expect(child.exitCode).toBeNull();
    const from = Date.now();
    expect(await ended(child)).toBe(0);
    expect(Date.now() - from).toBeLessThan(25_000);
  });

  it('says which setting is missing', async () => {
    const { DATABASE_URL: _left, ...rest } = env;
    await expect(run(commandOf('api'), rest)).rejects.toThrow(/DATABASE_URL is missing/);
  });
});

const bootstrap = join(root, 'embedded/bootstrap.mjs');

function start(command: readonly string[], env: Record<string, string>): ChildProcess {
  return spawn('node', [bootstrap, ...command], {
    cwd: root,
    env: bareEnvironment(env),
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

function run(command: readonly string[], env: Record<string, string>): Promise<string> {
  return new Promise((done, fail) => {
    const options = { cwd: root, env: bareEnvironment(env), timeout: 60_000 };
    execFile('node', [bootstrap, ...command], options, (error, stdout, stderr) =>
      error ? fail(new Error(stderr, { cause: error })) : done(stdout),
    );
  });
}

function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((done) => {
    child.once('exit', (code) => done(code));
    child.kill('SIGTERM');
  });
}

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import { execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { bareEnvironment, startedProduct, type RunningProduct } from '../harness/index.ts';

const root = join(import.meta.dirname, '../..');

describe('npm run demo', () => {
  let product: RunningProduct;
  let played: Outcome;
  beforeAll(async () => {
    product = await startedProduct();
    played = await demo([], product.env);
  }, 180_000);
  afterAll(() => product.remove());

  it('comes to its end', () => {
    expect(played).toMatchObject({ stderr: '', code: 0 });
  });

  it('shows every step, and that the signatures it received are right', () => {
    const steps = played.stdout.match(/^ ?\d+ {2}.+$/gm) ?? [];
    expect(steps).toHaveLength(10);
    for (const type of [
      'ticket.created',
      'message.sent',
      'sla.warning',
      'sla.breached',
      'ticket.escalated',
      'ticket.resolved',
    ])
      expect(played.stdout).toMatch(
        new RegExp(`webhook ${type}, no\\. \\d+ of the ticket, signatures right`),
      );
    expect(played.stdout).toContain('The ticket is urgent now, at level 1.');
    expect(played.stdout).toMatch(/\d+ webhooks; both signatures of each/);
  });

  it('links to workflows that Temporal knows', async () => {
    const links = [...played.stdout.matchAll(/\/workflows\/(\S+)/g)];
    const ids = [...new Set(links.map(([, id]) => decodeURIComponent(id!)))];
    expect(new Set(ids.map((id) => id.split('/')[0]))).toEqual(
      new Set(['mailbox', 'ticket', 'delivery']),
    );
    const connection = await Connection.connect({ address: product.running.temporalAddress });
    try {
      const client = new Client({ connection, namespace: product.env.TEMPORAL_NAMESPACE });
      for (const id of ids)
        expect(await client.workflow.getHandle(id).describe()).toMatchObject({ workflowId: id });
    } finally {
      await connection.close();
    }
  });

  it('leaves the ticket, resolved, and nothing else', async () => {
    expect(await list(product, 'tickets')).toMatchObject([
      { status: 'resolved', message_count: 4, subject: 'The printer is on fire' },
    ]);
    expect(await left(product)).toEqual(AS_BEFORE);
  });

  it('cleans up when it is given up half-way', async () => {
    const child = spawn(process.execPath, [join(root, 'embedded/demo.ts')], {
      cwd: root,
      env: bareEnvironment(product.env),
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const ended = new Promise((done) => child.once('exit', done));
    let told = '';
    for await (const chunk of child.stdout) {
      told += String(chunk);
      if (!child.killed && told.includes('A customer writes')) child.kill('SIGINT');
    }
    expect(await ended).toBe(1);
    expect(await left(product)).toEqual(AS_BEFORE);
  });

  it('says in plain words that nothing runs where nothing runs', async () => {
    const refused = await demo([], { POSTROOM_HOME: join(product.home, 'nothing-here') });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('Run `npm start` in another terminal first');
  });

  it('explains itself', async () => {
    expect(await demo(['--help'], {})).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('npm run demo: plays'),
    });
  });
});

const AS_BEFORE = {
  'webhook-endpoints': [],
  channels: ['Support'],
  'sla-policies': ['Standard'],
  'api-keys': ['first key'],
};

interface Listed {
  readonly name?: string;
  readonly url?: string;
  readonly revoked_at?: string | null;
}

async function list(product: RunningProduct, what: string): Promise<Listed[]> {
  const response = await fetch(`${product.running.apiUrl}/v1/${what}`, {
    headers: { authorization: `Bearer ${product.key}` },
  });
  expect(response.status).toBe(200);
  return ((await response.json()) as { data: Listed[] }).data; // a list, by contract
}

/** What there is beside tickets, by name. */
async function left(product: RunningProduct) {
  const lists = Object.keys(AS_BEFORE).map(async (kind) => {
    const there = (await list(product, kind)).filter(({ revoked_at }) => !revoked_at);
    return [kind, there.map(({ name, url }) => name ?? url)] as const;
  });
  return Object.fromEntries(await Promise.all(lists));
}

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function demo(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Outcome> {
  return new Promise((done) => {
    execFile(
      process.execPath,
      [join(root, 'embedded/demo.ts'), ...args],
      { cwd: root, env: bareEnvironment(env) },
      (error, stdout, stderr) => done({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
  });
}

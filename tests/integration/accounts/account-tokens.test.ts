import { once } from 'node:events';
import { spawn, type ChildProcess } from 'node:child_process';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { StoredLimits } from '../../../db/account-limits.ts';
import { StoredTokens } from '../../../db/account-tokens.ts';
import { inTenant } from '../../../db/connection.ts';
import { forgetTokens } from '../../../db/queries/channel-tokens.ts';
import { ProviderFailure } from '../../../domain/failure.ts';
import type { ChannelId } from '../../../domain/ids.ts';
import type { KeptTokens } from '../../../providers/contract.ts';
import { eventually } from '../../harness/index.ts';
import type { Place } from './account-process.ts';
import { accountFixture, type AccountFixture } from './fixture.ts';

const HOUR_MS = 3_600_000;

let fixture: AccountFixture;
let vendor: Server;
let vendorUrl: string;
let answer: (req: IncomingMessage, res: ServerResponse) => unknown;
const children = new Set<ChildProcess>();

beforeAll(async () => {
  fixture = await accountFixture();
  vendor = createServer((req, res) => answer(req, res));
  vendor.listen(0, '127.0.0.1');
  await once(vendor, 'listening');
  const address = vendor.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  vendorUrl = `http://127.0.0.1:${address.port}`;
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
});
afterAll(async () => {
  vendor.closeAllConnections();
  vendor.close();
  await fixture.db.destroy();
});

interface Worker {
  readonly child: ChildProcess;
  readonly said: string[];
  tell(order: 'token' | 'work'): void;
}

async function startWorkers(count: number, channelId: ChannelId): Promise<Worker[]> {
  const { databaseUrl, masterKey, tenantId } = fixture;
  const place: Place = { databaseUrl, masterKey, tenantId, channelId, vendor: vendorUrl };
  const workers = Array.from({ length: count }, () => {
    const child = spawn(
      process.execPath,
      [join(import.meta.dirname, 'account-process.ts'), JSON.stringify(place)],
      { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, NODE_OPTIONS: '' } },
    );
    children.add(child);
    const said: string[] = [];
    const lines: Interface = createInterface({ input: child.stdout });
    lines.on('line', (line) => said.push(line));
    return { child, said, tell: (order: string) => void child.stdin.write(`${order}\n`) };
  });
  await eventually(() => {
    expect(workers.map(({ said }) => said[0])).toEqual(workers.map(() => 'ready'));
  }, 240_000);
  for (const { said } of workers) said.length = 0;
  return workers;
}

function storedTokens(id: ChannelId): StoredTokens {
  const { signal } = new AbortController();
  return new StoredTokens({ ...fixture, signal }, { tenantId: fixture.tenantId, id });
}

const inAnHour = () => new Date(Date.now() + HOUR_MS);

/** Counts how often it is asked, and gives numbered tokens. */
function vendorOfTokens(options: { takesMs?: number } = {}) {
  const asked: KeptTokens[] = [];
  return {
    asked,
    obtain: async (kept: KeptTokens) => {
      asked.push(kept);
      const n = asked.length;
      await sleep(options.takesMs ?? 0);
      return {
        accessToken: `access-${n}`,
        refreshToken: `refresh-${n}`,
        expiresAt: inAnHour(),
      };
    },
  };
}

test('ten processes that need a token at once have it obtained once', async () => {
  let asked = 0;
  answer = (_req, res) => {
    asked += 1;
    const tokens = { accessToken: `access-${asked}`, refreshToken: `refresh-${asked}` };
    setTimeout(() => res.end(JSON.stringify(tokens)), 1_000);
  };
  const workers = await startWorkers(10, await fixture.newChannel());
  for (const worker of workers) worker.tell('token');
  await eventually(() => {
    expect(workers.map(({ said }) => said)).toEqual(workers.map(() => ['access-1']));
  }, 240_000);
  expect(asked).toBe(1);
}, 240_000);

test('where the process that obtains it is killed, another one does', async () => {
  let asked = 0;
  const askers: IncomingMessage[] = [];
  answer = (req, res) => {
    asked += 1;
    askers.push(req);
    if (asked > 1) res.end(JSON.stringify({ accessToken: 'second', refreshToken: 'r' }));
  };
  const workers = await startWorkers(2, await fixture.newChannel());
  const [first, second] = workers as [Worker, Worker];
  first.tell('token');
  await eventually(() => expect(asked).toBe(1), 90_000);
  second.tell('token');
  await sleep(500);
  expect(asked).toBe(1);
  first.child.kill('SIGKILL');
  const killed = Date.now();
  await eventually(() => expect(second.said).toEqual(['second']), 60_000);
  expect(Date.now() - killed).toBeGreaterThan(5_000);
  expect(asked).toBe(2);
}, 240_000);

test('a token is kept sealed, used again, and obtained with what the last renewal brought', async () => {
  const id = await fixture.newChannel();
  const vendor = vendorOfTokens();
  expect(await storedTokens(id).access(vendor.obtain)).toBe('access-1');
  expect(await storedTokens(id).access(vendor.obtain)).toBe('access-1');
  await inTenant(fixture.db, fixture.tenantId, (tx) =>
    tx
      .updateTable('channel_tokens')
      .set({ expires_at: new Date(Date.now() + 59_000) })
      .where('channel_id', '=', id)
      .execute(),
  );
  // Less than a minute is left of it.
  expect(await storedTokens(id).access(vendor.obtain)).toBe('access-2');
  expect(vendor.asked).toEqual([{ refreshToken: null }, { refreshToken: 'refresh-1' }]);
  const row = await inTenant(fixture.db, fixture.tenantId, (tx) =>
    tx.selectFrom('channel_tokens').selectAll().where('channel_id', '=', id).executeTakeFirst(),
  );
  const kept = Buffer.concat([row!.access_token!, row!.refresh_token!]).toString('latin1');
  expect(kept).not.toMatch(/access-|refresh-/);
});

test('a refused token is forgotten, unless another has taken its place', async () => {
  const id = await fixture.newChannel();
  const vendor = vendorOfTokens();
  const tokens = storedTokens(id);
  await tokens.access(vendor.obtain);
  await tokens.refuse('access-1');
  expect(await tokens.access(vendor.obtain)).toBe('access-2');
  await tokens.refuse('access-1');
  expect(await tokens.access(vendor.obtain)).toBe('access-2');
});

test('a refusal is told to all who waited, and asked for once', async () => {
  const id = await fixture.newChannel();
  let asked = 0;
  const obtain = async () => {
    asked += 1;
    await sleep(300);
    throw new ProviderFailure({
      code: 'oauth.consent_revoked',
      class: 'reauthenticate',
      message: 'The consent was withdrawn; connect the account again.',
    });
  };
  const ends = await Promise.allSettled(
    Array.from({ length: 10 }, () => storedTokens(id).access(obtain)),
  );
  expect(ends.map((end) => end.status === 'rejected' && (end.reason as Error).message)).toEqual(
    ends.map(() => 'The consent was withdrawn; connect the account again.'),
  );
  expect(asked).toBe(1);
  // An admin mends the settings: it is tried at once.
  await inTenant(fixture.db, fixture.tenantId, (tx) => forgetTokens(tx, id, 'all'));
  const vendor = vendorOfTokens();
  expect(await storedTokens(id).access(vendor.obtain)).toBe('access-1');
});

test('what is obtained while an admin changes the settings is not kept', async () => {
  const id = await fixture.newChannel();
  const slow = vendorOfTokens({ takesMs: 500 });
  const late = storedTokens(id).access(slow.obtain);
  await eventually(() => expect(slow.asked).toHaveLength(1));
  await inTenant(fixture.db, fixture.tenantId, (tx) => forgetTokens(tx, id, 'all'));
  expect(await late).toBe('access-1');
  const next = vendorOfTokens();
  await storedTokens(id).access(next.obtain);
  expect(next.asked).toEqual([{ refreshToken: null }]);
});

test('eight processes have at most four requests under way at once', async () => {
  let underWay = 0;
  let most = 0;
  const full = Promise.withResolvers<void>();
  answer = async (_req, res) => {
    underWay += 1;
    most = Math.max(most, underWay);
    if (underWay === 4) full.resolve();
    await full.promise;
    await sleep(60);
    underWay -= 1;
    res.end('done');
  };
  const workers = await startWorkers(8, await fixture.newChannel());
  for (let n = 0; n < 5; n += 1) for (const worker of workers) worker.tell('work');
  await eventually(() => {
    expect(workers.flatMap(({ said }) => said)).toEqual(Array.from({ length: 40 }, () => 'done'));
  }, 240_000);
  expect(most).toBe(4);
}, 240_000);

test('a pause is honoured by all: waited out where it is short, told where it is long', async () => {
  const { db, tenantId } = fixture;
  const account = `vendor/${await fixture.newChannel()}`;
  const limits = () =>
    new StoredLimits({ db, signal: new AbortController().signal }, { tenantId, account });
  const until = inAnHour();
  const short = Date.now() + 700;
  await limits().pause(new Date(short));
  await limits().slot(1, () => Promise.resolve());
  expect(Date.now()).toBeGreaterThan(short - 50);
  await limits().pause(until);
  await limits().pause(new Date(Date.now() + 10));
  await sleep(20);
  const refused = limits().slot(1, () => Promise.resolve());
  await expect(refused).rejects.toMatchObject({ class: 'wait', code: 'account.paused' });
});

test('the place of a process that was killed is free again after some seconds', async () => {
  let begun = 0;
  answer = (_req, res) => {
    begun += 1;
    if (begun > 4) res.end('done');
  };
  const workers = await startWorkers(2, await fixture.newChannel());
  const [first, second] = workers as [Worker, Worker];
  for (let n = 0; n < 4; n += 1) first.tell('work');
  await eventually(() => expect(begun).toBe(4), 90_000);
  second.tell('work');
  await sleep(500);
  expect(begun).toBe(4);
  first.child.kill('SIGKILL');
  await eventually(() => expect(second.said).toEqual(['done']), 60_000);
}, 240_000);

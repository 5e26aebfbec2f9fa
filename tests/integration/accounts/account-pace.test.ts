import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { awaitTurn } from '../../../db/account-pace.ts';
import { inTenant } from '../../../db/connection.ts';
import { eventually } from '../../harness/index.ts';
import { accountFixture, type AccountFixture } from './fixture.ts';
import type { PacePlace } from './pace-process.ts';

let fixture: AccountFixture;
const children = new Set<ChildProcess>();

beforeAll(async () => {
  fixture = await accountFixture();
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
});
afterAll(() => fixture.db.destroy());

function startProcess(account: string, perSecond: number) {
  const { databaseUrl, tenantId } = fixture;
  const place: PacePlace = { databaseUrl, tenantId, account, perSecond };
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, 'pace-process.ts'), JSON.stringify(place)],
    { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, NODE_OPTIONS: '' } },
  );
  children.add(child);
  const said: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => said.push(line));
  return { said, take: (turns: number) => void child.stdin.write(`${turns}\n`) };
}

const ref = (account: string) => ({ tenantId: fixture.tenantId, account });
/** Whether the account's turns were ever asked for in Postgres. */
const isAsked = async (account: string) => {
  const rows = await inTenant(fixture.db, fixture.tenantId, (tx) =>
    tx.selectFrom('account_paces').selectAll().where('account', '=', account).execute(),
  );
  return rows.length > 0;
};

/** The most that fell into any one second. */
function mostInASecond(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  const counts = sorted.map(
    (from, index) => sorted.slice(index).filter((at) => at < from + 1000).length,
  );
  return Math.max(...counts);
}

test('four processes that have much to send keep the account’s pace together', async () => {
  const processes = Array.from({ length: 4 }, () => startProcess('vendor/busy', 80));
  await eventually(() => {
    expect(processes.map(({ said }) => said[0])).toEqual(Array(4).fill('ready'));
  }, 240_000);
  for (const { take } of processes) take(60);
  await eventually(() => {
    for (const { said } of processes) expect(said).toHaveLength(61);
  }, 240_000);
  const times = processes.flatMap(({ said }) => said.slice(1).map(Number));
  // A few at once where a process was late; without a pace it would be nearly all of them.
  expect(mostInASecond(times)).toBeLessThanOrEqual(160);
  // Two of each process are free, and their turns made up for but at the very end.
  expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(((240 - 16) / 64) * 1000);
}, 300_000);

test('as long as little is sent, nobody is asked', async () => {
  const { db } = fixture;
  const { signal } = new AbortController();
  const turn = () => awaitTurn({ db, signal }, ref('vendor/quiet'), 80);
  await turn();
  await turn();
  expect(await isAsked('vendor/quiet')).toBe(false);
  await turn();
  expect(await isAsked('vendor/quiet')).toBe(true);
});

test('what was sent freely long ago is owed no more', async () => {
  const { db } = fixture;
  const { signal } = new AbortController();
  const turn = (account: string) => awaitTurn({ db, signal }, ref(account), 40);
  await turn('vendor/owing');
  const began = performance.now();
  await turn('vendor/owing');
  // One turn ahead of it was free: 1/32 of a second.
  expect(performance.now() - began).toBeGreaterThan(25);
  await turn('vendor/paid');
  await new Promise((resolve) => setTimeout(resolve, 100));
  await turn('vendor/paid');
  const { next_at: next } = await inTenant(db, fixture.tenantId, (tx) =>
    tx
      .selectFrom('account_paces')
      .select('next_at')
      .where('account', '=', 'vendor/paid')
      .executeTakeFirstOrThrow(),
  );
  expect(next.getTime()).toBeLessThan(Date.now() + 40);
});

test('who would wait long is told to come back', async () => {
  const { db } = fixture;
  const stop = new AbortController();
  const turns = Array.from({ length: 20 }, () =>
    awaitTurn({ db, signal: stop.signal }, ref('vendor/slow'), 1).catch((error: unknown) => error),
  );
  const refused: unknown[] = [];
  for (const turn of turns) void turn.then((end) => end && refused.push(end));
  await eventually(() => expect(refused.length).toBeGreaterThan(4), 30_000);
  for (const failure of refused)
    expect(failure).toMatchObject({ code: 'account.paced', class: 'wait', retryAfterMs: 15_000 });
  stop.abort();
  await Promise.all(turns);
});

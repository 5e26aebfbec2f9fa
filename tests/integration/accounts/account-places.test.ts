import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { StoredLimits } from '../../../db/account-limits.ts';
import { connect, type Db } from '../../../db/connection.ts';
import { accountFixture, type AccountFixture } from './fixture.ts';

// Places at an account within one process: handed on without the database, and never kept from other processes.

let fixture: AccountFixture;
/** As another process sees the account: with places of its own. */
let elsewhere: Db;

beforeAll(async () => {
  fixture = await accountFixture();
  elsewhere = connect({ url: fixture.databaseUrl, poolSize: 2 });
});
afterAll(async () => {
  await elsewhere.destroy();
  await fixture.db.destroy();
});

const newAccount = async () => `vendor/${await fixture.newChannel()}`;
const limits = (account: string, db = fixture.db, signal = new AbortController().signal) =>
  new StoredLimits({ db, signal }, { tenantId: fixture.tenantId, account });

test('as many at once as there are places, and no more', async () => {
  const account = await newAccount();
  let [underWay, most, done] = [0, 0, 0];
  const full = Promise.withResolvers<void>();
  await Promise.all(
    Array.from({ length: 60 }, () =>
      limits(account).slot(4, async () => {
        most = Math.max(most, (underWay += 1));
        if (underWay === 4) full.resolve();
        await full.promise;
        await sleep(10);
        underWay -= 1;
        done += 1;
      }),
    ),
  );
  expect(done).toBe(60);
  expect(most).toBe(4);
});

test('what fails gives its place back, and who gives up waiting takes none', async () => {
  const account = await newAccount();
  const given = new AbortController();
  const running = limits(account).slot(1, async () => {
    await sleep(300);
    throw new Error('the vendor’s');
  });
  const waiting = limits(account, fixture.db, given.signal).slot(1, () => Promise.resolve());
  const last = limits(account).slot(1, () => Promise.resolve('done'));
  await sleep(50);
  given.abort(new Error('cancelled'));
  await expect(waiting).rejects.toThrow();
  await expect(running).rejects.toThrow('the vendor’s');
  expect(await last).toBe('done');
});

test('what was done is done, even where the database is gone before the place is given back', async () => {
  const account = await newAccount();
  const lost = connect({ url: fixture.databaseUrl, poolSize: 1 });
  const done = limits(account, lost).slot(1, async () => {
    await lost.destroy();
    return 'the vendor’s receipt';
  });
  expect(await done).toBe('the vendor’s receipt');
});

test('a process that is always busy leaves others their turn', async () => {
  const account = await newAccount();
  const over = new AbortController();
  const lane = async () => {
    while (!over.signal.aborted) await limits(account).slot(1, () => sleep(5));
  };
  const busy = [lane(), lane(), lane()];
  await sleep(200);
  const began = Date.now();
  for (let n = 0; n < 3; n += 1) await limits(account, elsewhere).slot(1, () => Promise.resolve());
  over.abort();
  await Promise.all(busy);
  expect(Date.now() - began).toBeLessThan(100_000);
});

test('nothing is handed on while the account is paused', async () => {
  const account = await newAccount();
  const asked: number[] = [];
  let pausedAt = Infinity;
  await Promise.all(
    Array.from({ length: 6 }, (_, n) =>
      limits(account).slot(1, async () => {
        asked.push(Date.now());
        if (n !== 0) return;
        pausedAt = Date.now();
        await limits(account).pause(new Date(Date.now() + 1_000));
      }),
    ),
  );
  expect(asked).toHaveLength(6);
  expect(asked.filter((at) => at > pausedAt && at < pausedAt + 900)).toEqual([]);
});

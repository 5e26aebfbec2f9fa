import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { StoredLimits } from '../../../../db/account-limits.ts';
import { ProviderFailure } from '../../../../domain/failure.ts';
import { Graph } from '../../../../providers/microsoft365/client.ts';
import { microsoft365 } from '../../../../providers/microsoft365/provider.ts';
import type { FetchedBatch } from '../../../../providers/contract.ts';
import type { FaultKind } from '../../../../simulators/contract.ts';
import { accountFixture } from '../../accounts/fixture.ts';
import {
  asked,
  drain,
  drained,
  graphFixture,
  subjects,
  type Drained,
  type Fixture,
  type Microsoft365Call,
} from './fixture.ts';

jest.setTimeout(240_000);
let given: Fixture;
beforeEach(async () => {
  given = await graphFixture();
});
afterEach(async () => {
  expect(given.simulator.violations).toEqual([]);
  await given.simulator.close();
});

const batches = () => asked(given.simulator, /^POST \/v1\.0\/\$batch$/);
const alone = () => asked(given.simulator, /^GET .*\/\$value$/);
const within = () => given.simulator.batched.requests.map(({ path, status }) => ({ path, status }));
const statuses = (status: number) => within().filter((one) => one.status === status);
const sources = ({ items }: Drained) => items.map(({ source }) => source);

const KB = 1024;
const MB = 1024 * KB;
let received = Date.UTC(2026, 1, 1);

/** A mail with a file of so many bytes; shown within the text, it counts as none. */
function deliverFile(n: number, bytes: number, disposition = 'attachment'): void {
  const raw = [
    `Subject: mail-${n}`,
    'MIME-Version: 1.0',
    'Content-Type: application/octet-stream',
    `Content-Disposition: ${disposition}; filename="file.bin"`,
    '',
    'x'.repeat(bytes),
  ].join('\r\n');
  given.simulator.deliver(given.address, raw, { receivedAt: new Date((received += 1000)) });
}

describe('mails that are read together', () => {
  it('are brought byte for byte, in the order in which they came', async () => {
    const raws = [
      'Subject: =?utf-8?q?Gr=C3=B6=C3=9Fe?=\r\n\r\nGrüße, 你好\r\n',
      Buffer.concat([Buffer.from('Subject: 8bit\r\n\r\n'), Buffer.from([0xe4, 0xff, 0, 0x80])]),
      'Subject: long\r\n\r\n'.concat('line\r\n'.repeat(5_000)),
    ];
    for (const raw of raws)
      given.simulator.deliver(given.address, raw, { receivedAt: new Date((received += 1000)) });
    const read = await drain(given.call());
    expect(sources(read)).toEqual(raws.map((raw) => Buffer.from(raw)));
    expect(alone()).toEqual([]);
  });

  it('are those that came since, too; one by itself needs no batch', async () => {
    const call = given.call();
    const { cursor } = await drain(call);
    given.deliver(1);
    const one = await drain(call, cursor);
    expect([one.subjects, batches().length, alone().length]).toEqual([['mail-1'], 0, 1]);
    given.deliver(2, 45);
    const more = await drain(call, one.cursor);
    expect([more.subjects, batches().length, alone().length]).toEqual([subjects(2, 45), 3, 1]);
  });

  it('have files of some hundred kilobytes at most; larger ones come by themselves', async () => {
    for (let n = 1; n <= 30; n += 1) deliverFile(n, n % 10 === 0 ? 2 * MB : 20 * KB);
    const read = await drain(given.call());
    expect(read.subjects).toEqual(subjects(1, 30));
    expect(alone()).toHaveLength(3);
    // How large they are is asked in two, and 27 come in two.
    expect(batches()).toHaveLength(4);
  });

  it('may have a cursor from before files were asked about: then all are asked how large they are', async () => {
    const call = given.call();
    const { cursor } = await drain(call);
    const { of } = cursor as { of: string };
    const answer = await new Graph(call).ask<{ '@odata.deltaLink': string }>({
      method: 'GET',
      path: `${of}/messages/delta?changeType=created&$select=id,receivedDateTime,isDraft`,
    });
    for (let n = 1; n <= 20; n += 1) deliverFile(n, n === 7 ? 2 * MB : 20 * KB);
    const link = new URL(answer['@odata.deltaLink']).search;
    const read = await drain(call, { ...(cursor as object), link });
    expect(read.subjects).toEqual(subjects(1, 20));
    expect([batches().length, alone().length]).toEqual([2, 1]);
  });

  it('come by themselves after all where they are larger together than was to be expected', async () => {
    for (let n = 1; n <= 4; n += 1) deliverFile(n, 3 * MB, 'inline');
    given.deliver(5, 8);
    const read = await drain(given.call());
    expect(new Set(read.subjects)).toEqual(new Set(subjects(1, 8)));
    expect([batches().length, alone().length]).toEqual([1, 8]);
  });

  it('are given with their headers alone where one is larger than is taken', async () => {
    deliverFile(1, 200 * KB, 'inline');
    given.deliver(2);
    const { items } = await drain(given.call({}, { maxBytes: 100 * KB }));
    expect(items).toHaveLength(2);
    expect(items.filter(({ meta }) => meta?.['oversize'] === true)).toHaveLength(1);
    expect(batches()).toHaveLength(1);
  });
});

describe('where Graph words MIME, or refuses batches, in its own way', () => {
  it('takes text that is sure to be as it was, and asks for the rest by itself', async () => {
    given.simulator.batching.mime = 'text';
    given.deliver(1, 5);
    const umlaut = Buffer.from('Subject: mail-6\r\n\r\nGr\xfc\xdfe\r\n', 'latin1');
    given.simulator.deliver(given.address, umlaut, { receivedAt: new Date(received) });
    const read = await drain(given.call());
    expect(read.subjects).toEqual(subjects(1, 6));
    expect(sources(read).at(-1)).toEqual(umlaut);
    expect([batches().length, alone().length]).toEqual([1, 1]);
  });

  it('reads mails with files by themselves where it does not tell how large they are', async () => {
    const match = /\/messages\/[^/]+$/;
    given.simulator.batched.faults.failNext({ kind: 'server_error', match }, 1000);
    for (let n = 1; n <= 40; n += 1) deliverFile(n, 20 * KB);
    for (let n = 41; n <= 60; n += 1) deliverFile(n, 20 * KB, 'inline');
    const read = await drain(given.call());
    expect(read.subjects).toEqual(subjects(1, 60));
    expect(alone()).toHaveLength(40);
    expect(batches().length).toBeLessThanOrEqual(5);
  });

  it('reads one by one after the first refusal', async () => {
    given.simulator.batching.isOn = false;
    given.deliver(1, 60);
    const { subjects: read } = await drain(given.call({ batch_size: 50, max_retries: 0 }));
    expect(read).toEqual(subjects(1, 60));
    expect(alone()).toHaveLength(60);
    expect(batches().length).toBeLessThanOrEqual(3);
  });
});

it.each<FaultKind>([
  'too_many',
  'unavailable',
  'server_error',
  'lost_answer',
  'reset',
  'token_expired',
])('asks again for a batch that fails as a whole: %s', async (kind) => {
  given.deliver(1, 20);
  given.simulator.faults.failNext({ kind, match: /\$batch$/ });
  const { subjects: read } = await drain(given.call());
  expect(read).toEqual(subjects(1, 20));
  expect([batches().length, alone().length]).toEqual([2, 0]);
});

describe('a request within a batch', () => {
  const failNext = (kind: FaultKind, more: { retryAfterSeconds?: number; match?: RegExp } = {}) =>
    given.simulator.batched.faults.failNext({ kind, match: /\$value$/, ...more });

  it('that is throttled makes everyone pause, and is asked again with those behind it', async () => {
    given.deliver(1, 20);
    failNext('too_many', { retryAfterSeconds: 2 });
    const pauses: number[] = [];
    const before = Date.now();
    const pause = (until: Date) => Promise.resolve(void pauses.push(until.getTime() - Date.now()));
    const { limits } = given.call();
    const read = await drain(given.call({}, { limits: { ...limits, pause } }));
    expect(read.subjects).toEqual(subjects(1, 20));
    expect(Date.now() - before).toBeGreaterThanOrEqual(2_000);
    expect(pauses).toEqual([expect.any(Number)]);
    expect(pauses[0]).toBeGreaterThan(1_000);
    expect([batches().length, alone().length]).toEqual([2, 0]);
    expect(statuses(429)).toHaveLength(1);
  });

  it('that is throttled for long gives what came before it, and tells how long', async () => {
    given.deliver(1, 20);
    const ids = [...given.box.messages.keys()];
    const eighth = new RegExp(encodeURIComponent(ids[7]!));
    failNext('too_many', { retryAfterSeconds: 120, match: eighth });
    const call = given.call();
    const [read, failure] = await drainUntilFailure(call);
    expect(read.subjects).toEqual(subjects(1, 7));
    expect(failure).toMatchObject({ class: 'wait', retryAfterMs: 120_000 });
    expect((await drain(call, read.cursor)).subjects).toEqual(subjects(8, 20));
  });

  it('that fails is asked for by itself, and those behind it in another batch', async () => {
    given.deliver(1, 20);
    failNext('server_error');
    const { subjects: read } = await drain(given.call());
    expect(read).toEqual(subjects(1, 20));
    expect([batches().length, alone().length]).toEqual([2, 1]);
  });

  it.each<FaultKind>(['reset', 'lost_answer'])(
    'that Graph gets no answer for (%s) is asked for by itself',
    async (kind) => {
      given.deliver(1, 20);
      failNext(kind);
      const { subjects: read } = await drain(given.call());
      expect(read).toEqual(subjects(1, 20));
      expect(alone()).toHaveLength(1);
    },
  );

  it('whose token is refused gets another, once', async () => {
    given.deliver(1, 20);
    failNext('token_expired');
    const { subjects: read } = await drain(given.call());
    expect(read).toEqual(subjects(1, 20));
    expect(given.simulator.consent.calls).toMatchObject({ client_credentials: 2 });
    expect([batches().length, alone().length]).toEqual([2, 0]);
  });

  it('of a mail that is gone meanwhile brings none, and holds up none', async () => {
    given.deliver(1, 20);
    const all = [...given.box.messages.values()];
    const goMeanwhile = () => {
      for (const n of [0, 9, 19]) if (given.box.messages.size > 17) given.box.remove(all[n]!);
      return Promise.resolve(new Set<string>());
    };
    const { subjects: read } = await drain(given.call({}, { known: goMeanwhile }));
    expect(read).toEqual([...subjects(2, 9), ...subjects(11, 19)]);
    expect(alone()).toEqual([]);
    expect(batches().length).toBeLessThanOrEqual(3);
  });

  it('of a mail that is damaged sets that one aside', async () => {
    given.deliver(1, 20);
    [...given.box.messages.values()][4]!.isBroken = true;
    const { items, subjects: read } = await drain(given.call({ max_retries: 0 }));
    expect(read).toEqual(subjects(1, 20));
    const unreadable = items.flatMap(({ meta }, n) => (meta?.['unreadable'] ? [n] : []));
    expect(unreadable).toEqual([4]);
  });

  it('may fail as often as it likes: nothing is lost, and nothing comes twice or out of order', async () => {
    given.deliver(1, 200);
    const kinds: FaultKind[] = ['server_error', 'reset', 'lost_answer', 'token_expired'];
    given.simulator.batched.faults.failSome(0.2, kinds, 7);
    const read: string[] = [];
    const call = given.call({ batch_size: 70 });
    for (let cursor: unknown = null, failure: unknown = 'first'; failure !== null;) {
      const [some, why] = await drainUntilFailure(call, cursor);
      read.push(...some.subjects);
      [cursor, failure] = [some.cursor, why];
    }
    expect(read).toEqual(subjects(1, 200));
    expect(within().filter(({ status }) => status !== 200).length).toBeGreaterThan(20);
  });
});

it('does the parts of a batch one after the other, in three batches at once at most', async () => {
  given.deliver(1, 100);
  Object.assign(given.simulator.batching.pace, { parts: 2, ms: 2 });
  const { subjects: read } = await drain(given.call());
  expect(read).toEqual(subjects(1, 100));
  expect(given.box.mostRunning).toBeLessThanOrEqual(3);
  expect(batches()).toHaveLength(5);
});

it('leaves a mailbox its four places, whoever reads it, within batches too', async () => {
  const accounts = await accountFixture();
  const { db, tenantId } = accounts;
  const account = `microsoft365/${await accounts.newChannel()}`;
  const { signal } = new AbortController();
  try {
    given.deliver(1, 60);
    Object.assign(given.simulator.batching.pace, { parts: 2, ms: 10 });
    // As four workers would: what each knows of the others is in the database.
    const readers = Array.from({ length: 4 }, () =>
      given.call({}, { limits: new StoredLimits({ db, signal }, { tenantId, account }) }),
    );
    const reads = await Promise.all(readers.map((call) => drain(call)));
    expect(reads.map((read) => read.subjects)).toEqual(reads.map(() => subjects(1, 60)));
    expect(given.box.mostRunning).toBeGreaterThan(1);
    expect(given.box.mostRunning).toBeLessThanOrEqual(4);
    expect(statuses(429)).toEqual([]);
    expect(alone()).toEqual([]);
  } finally {
    await db.destroy();
  }
});

/** What it gave before it failed, and why it did; null where it went well. */
async function drainUntilFailure(
  call: Microsoft365Call,
  cursor: unknown = null,
): Promise<[Drained, ProviderFailure | null]> {
  const read: FetchedBatch[] = [];
  let kept = cursor;
  try {
    for await (const batch of microsoft365.mailbox!.fetch(call, 'inbox', cursor)) {
      read.push(batch);
      kept = JSON.parse(JSON.stringify(batch.cursor));
    }
    return [drained(read, kept), null];
  } catch (error) {
    if (!(error instanceof ProviderFailure)) throw error;
    return [drained(read, kept), error];
  }
}

import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { microsoft365 } from '../../../../providers/microsoft365/provider.ts';
import type { FetchedBatch } from '../../../../providers/contract.ts';
import {
  asked,
  drain,
  drained,
  graphFixture,
  mail,
  subjects,
  textOf,
  type Fixture,
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

describe('the first import', () => {
  it('reads from import_since on, oldest first, and tells how far it is', async () => {
    given.deliver(1, 10);
    const since = new Date(Date.UTC(2026, 0, 1, 0, 0, 4)).toISOString();
    const { subjects: read, batches } = await drain(
      given.call({ import_since: since, batch_size: 3 }),
    );
    expect(read).toEqual(subjects(4, 10));
    const progress = batches.flatMap((batch) => batch.progress ?? []);
    expect(progress).toEqual([
      { done: 3, total: 7 },
      { done: 6, total: 7 },
      { done: 7, total: 7 },
    ]);
  });

  it('takes nothing that came before the channel was made, by default', async () => {
    given.deliver(1, 3);
    const call = given.call({ import_since: 'now' });
    const first = await drain(call);
    expect(first.ids).toEqual([]);
    given.simulator.deliver(given.address, mail(4));
    expect((await drain(call, first.cursor)).subjects).toEqual(['mail-4']);
  });

  it('reads as many mails of one second as there are, each once, whatever the batch', async () => {
    const at = new Date(Date.UTC(2026, 1, 1));
    for (let n = 1; n <= 11; n += 1)
      given.simulator.deliver(given.address, mail(n), { receivedAt: at });
    const { ids } = await drain(given.call({ batch_size: 2 }));
    expect(ids).toHaveLength(11);
    expect(new Set(ids).size).toBe(11);
  });

  it('misses nothing that comes, goes or is moved while it is under way', async () => {
    given.deliver(1, 12);
    const call = given.call({ batch_size: 3 });
    const batches: FetchedBatch[] = [];
    let cursor: unknown;
    let isMeddled = false;
    for await (const batch of microsoft365.mailbox!.fetch(call, 'inbox', null)) {
      batches.push(batch);
      cursor = batch.cursor;
      if (batch.items.length === 0 || isMeddled) continue;
      isMeddled = true;
      // Those before shift the places of all behind them.
      const [one, two] = [...given.box.messages.values()];
      given.box.remove(one!);
      given.box.move(two!, 'archive');
      given.deliver(13);
      given.deliver(14, 14, { folder: 'archive' });
      const [moved] = [...given.box.messages.values()].slice(-1);
      given.box.move(moved!, 'inbox');
    }
    const read = drained(batches, cursor);
    expect(new Set(read.subjects)).toEqual(new Set(subjects(1, 14)));
    expect(read.subjects).toHaveLength(14);
    expect((await drain(call, read.cursor)).ids).toEqual([]);
  });
});

describe('following', () => {
  it('brings a mail once, however often it is marked, and one that was moved here under its old id', async () => {
    given.deliver(1, 2);
    const call = given.call();
    const first = await drain(call);
    for (const message of given.box.messages.values()) given.box.touch(message);
    const [one] = [...given.box.messages.values()];
    given.box.move(one!, 'archive');
    given.box.move(one!, 'inbox');
    const second = await drain(call, first.cursor);
    // It is told of again, under the id that is stored already.
    expect(second.ids).toEqual([first.ids[0]]);
  });

  it('leaves drafts out', async () => {
    const call = given.call();
    const { cursor } = await drain(call);
    given.box.add('inbox', Buffer.from('Subject: draft\r\n\r\n'), { isDraft: true });
    given.deliver(1);
    expect((await drain(call, cursor)).subjects).toEqual(['mail-1']);
    expect(await microsoft365.mailbox!.wait!(call, 'inbox', cursor, Date.now() + 60_000)).toBe(
      'mail',
    );
  });

  it('goes on in the middle of a page where a batch was cut by its size', async () => {
    const call = given.call({ batch_size: 50 });
    const { cursor } = await drain(call);
    for (let n = 1; n <= 3; n += 1)
      given.simulator.deliver(given.address, mail(n, 'x'.repeat(17 * 1024 * 1024)));
    const batches: FetchedBatch[] = [];
    for await (const batch of microsoft365.mailbox!.fetch(call, 'inbox', cursor))
      batches.push(batch);
    expect(batches.map(({ items }) => items.length)).toEqual([1, 1, 1]);
    const rest = await drain(call, JSON.parse(JSON.stringify(batches[0]!.cursor)));
    expect(rest.ids).toHaveLength(2);
  });

  it('reads another folder from its beginning once the setting changed', async () => {
    given.deliver(1, 2);
    const child = given.box.addFolder('Wichtig', { parentId: given.box.addFolder('Kunden').id });
    given.deliver(3, 3, { folder: child.id });
    const { cursor } = await drain(given.call());
    const call = given.call({ folder: 'kunden/wichtig' });
    expect((await drain(call, cursor, 'kunden/wichtig')).subjects).toEqual(['mail-3']);
    await expect(drain(call, null, 'clutter')).rejects.toMatchObject({
      code: 'microsoft365.folder_missing',
    });
    await expect(drain(call, null, 'Kunden/Nirgends')).rejects.toMatchObject({
      code: 'microsoft365.folder_missing',
      message: expect.stringContaining('"Wichtig"'),
    });
  });
});

describe('mail-edge-case 40: a delta token that expired', () => {
  it('is followed by a full resync without loss or doubles', async () => {
    given.deliver(1, 6);
    const call = given.call({ batch_size: 2 });
    const first = await drain(call);
    given.deliver(7, 8);
    given.simulator.deltas.forget();
    const second = await drain(call, first.cursor);
    expect(new Set([...first.subjects, ...second.subjects])).toEqual(new Set(subjects(1, 8)));
    // Under the ids that are known: the core stores none twice.
    expect(second.ids.slice(0, 6)).toEqual(first.ids);
    expect((await drain(call, second.cursor)).ids).toEqual([]);
  });

  it('downloads only what is not stored, where the core knows it', async () => {
    given.deliver(1, 6);
    const first = await drain(given.call());
    given.deliver(7);
    given.simulator.deltas.forget();
    const stored = new Set(first.ids);
    const known = (ids: readonly string[]) =>
      Promise.resolve(new Set(ids.filter((id) => stored.has(id))));
    const downloads = () =>
      asked(given.simulator, /\$value/).length + given.simulator.batched.requests.length;
    const before = downloads();
    const second = await drain(given.call({}, { known }), first.cursor);
    expect(second.subjects).toEqual(['mail-7']);
    expect(downloads()).toBe(before + 1);
  });

  it('is met in the middle of the first listing, too, and while waiting', async () => {
    given.deliver(1, 3);
    const call = given.call();
    const first = await drain(call);
    given.simulator.deltas.forget();
    const wait = microsoft365.mailbox!.wait!(call, 'inbox', first.cursor, Date.now() + 60_000);
    expect(await wait).toBe('mail');
    given.simulator.deltas.forget();
    given.simulator.faults.failNext({ kind: 'reset', match: /\/messages\/delta/ }, 1);
    expect((await drain(call, first.cursor)).ids).toEqual(first.ids);
  });
});

describe('a mail that can’t be had whole', () => {
  it('comes with its headers where it is too large, and the rest is not transferred', async () => {
    given.simulator.deliver(given.address, mail(1, 'x'.repeat(3_000_000)));
    given.deliver(2);
    const { items } = await drain(given.call({}, { maxBytes: 100_000 }));
    const large = items.find(({ meta }) => meta?.['oversize'] === true)!;
    expect(textOf(large)).toContain('Subject: mail-1\r\n\r\n');
    expect((large.source as Buffer).length).toBeLessThan(1000);
    expect(items).toHaveLength(2);
  });

  it('is set aside with its headers where Graph can’t convert it, and blocks none behind it', async () => {
    given.deliver(1, 3);
    [...given.box.messages.values()][1]!.isBroken = true;
    const { items, subjects: read } = await drain(given.call({ max_retries: 0 }));
    expect(read).toEqual(subjects(1, 3));
    expect(items.map(({ meta }) => meta?.['unreadable'] !== undefined)).toEqual([
      false,
      true,
      false,
    ]);
  });

  it('is left out where it is gone by the time it is read', async () => {
    given.deliver(1, 3);
    const goesMeanwhile = () => {
      given.box.remove([...given.box.messages.values()][0]!);
      return Promise.resolve(new Set<string>());
    };
    const read = await drain(given.call({}, { known: goesMeanwhile }));
    expect(read.subjects).toEqual(['mail-2', 'mail-3']);
    expect((await drain(given.call(), read.cursor)).ids).toEqual([]);
  });
});

it('gives what it has read before a failure is thrown, so that each try gets further', async () => {
  given.deliver(1, 10);
  const call = given.call({ max_retries: 0 });
  given.simulator.faults.failSome(1, ['unavailable']);
  await expect(drain(call)).rejects.toMatchObject({ name: 'ProviderFailure' });
  given.simulator.faults.clear();
  const batches: FetchedBatch[] = [];
  let reads = 0;
  const failing = async () => {
    for await (const batch of microsoft365.mailbox!.fetch(call, 'inbox', null)) {
      batches.push(batch);
      reads += 1;
      if (reads === 1)
        given.simulator.faults.failNext({ kind: 'reset', match: /\$(value|batch)/ }, 100);
    }
  };
  await expect(failing()).rejects.toMatchObject({ class: 'retry' });
  given.simulator.faults.clear();
  const kept: unknown = JSON.parse(JSON.stringify(batches.at(-1)!.cursor));
  expect((await drain(call, kept)).subjects).toEqual(subjects(1, 10));
});

it('takes its time for a large mail on a slow line, and none for one that stands still', async () => {
  given.simulator.deliver(given.address, mail(1, 'x'.repeat(2_000_000)));
  const { cursor } = await drain(given.call());
  given.simulator.deliver(given.address, mail(2, 'x'.repeat(2_000_000)));
  given.simulator.trickle(10, 150);
  const { items } = await drain(given.call({}, { timeoutMs: 5000 }), cursor);
  expect((items[0]!.source as Buffer).length).toBeGreaterThan(2_000_000);
  given.simulator.trickle(2, 5000);
  const call = given.call({ max_retries: 0 }, { timeoutMs: 500 });
  await expect(drain(call, cursor)).rejects.toMatchObject({ code: 'microsoft365.no_answer' });
});

it('waits until a look finds mail, every poll_seconds', async () => {
  const { cursor } = await drain(given.call());
  const call = given.call();
  const often = { ...call, settings: { ...call.settings, poll_seconds: 1 } };
  const waiting = microsoft365.mailbox!.wait!(often, 'inbox', cursor, Date.now() + 30_000);
  await new Promise((done) => setTimeout(done, 1200));
  given.deliver(1);
  expect(await waiting).toBe('mail');
  expect(
    await microsoft365.mailbox!.wait!(
      often,
      'inbox',
      (await drain(call, cursor)).cursor,
      Date.now() + 1500,
    ),
  ).toBe('timeout');
});

it('asks a mailbox four things at a time at most, and reads 100 mails by few calls', async () => {
  given.deliver(1, 100);
  const { subjects: read } = await drain(given.call());
  expect(read).toEqual(subjects(1, 100));
  expect(given.box.mostRunning).toBeLessThanOrEqual(4);
  expect(asked(given.simulator, /\$batch/)).toHaveLength(5);
  expect(asked(given.simulator, /\$value/)).toEqual([]);
  // Token, listing, two pages of the walk, one delta round.
  expect(given.simulator.requests.length).toBeLessThanOrEqual(10);
});

import { expect, test } from '@jest/globals';
import { Coalesced } from './coalesced.ts';

test('what is asked while a statement is under way becomes one statement', async () => {
  const batches: string[][] = [];
  const asked = new Coalesced<string, string, string>(async (key, items) => {
    batches.push([...items]);
    await Promise.resolve();
    return items.map((item) => `${key}/${item}`);
  });
  const answers = await Promise.all(['a', 'b', 'c'].map((item) => asked.ask('one', item)));
  expect(answers).toEqual(['one/a', 'one/b', 'one/c']);
  expect(batches).toEqual([['a'], ['b', 'c']]);
  expect(await asked.ask('one', 'd')).toBe('one/d');
});

test('keys are never mixed', async () => {
  const keys: string[] = [];
  const asked = new Coalesced<string, number, number>(async (key, items) => {
    keys.push(key);
    return items;
  });
  await Promise.all([asked.ask('one', 1), asked.ask('two', 2), asked.ask('two', 3)]);
  expect(keys.sort()).toEqual(['one', 'two', 'two']);
});

test('one that fails does not fail the others of its batch', async () => {
  const asked = new Coalesced<string, number, number>(async (_, items) => {
    if (items.includes(2)) throw new Error('two');
    return items;
  });
  const outcomes = await Promise.allSettled([1, 2, 3].map((item) => asked.ask('key', item)));
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
});

test('a batch takes no more than may go together, and none is left', async () => {
  const batches: number[][] = [];
  const asked = new Coalesced<string, number, number>(
    async (_, items) => {
      batches.push([...items]);
      return items;
    },
    { together: (items) => Math.min(items.length, 2) },
  );
  const answers = await Promise.all([1, 2, 3, 4, 5, 6].map((item) => asked.ask('key', item)));
  expect(answers).toEqual([1, 2, 3, 4, 5, 6]);
  expect(batches).toEqual([[1], [2, 3], [4, 5], [6]]);
});

test('what comes in the rest after a batch goes together, and is not forgotten', async () => {
  const batches: number[][] = [];
  const asked = new Coalesced<string, number, number>(
    async (_, items) => {
      batches.push([...items]);
      return items;
    },
    { restMs: () => 200 },
  );
  expect(await asked.ask('key', 1)).toBe(1); // answered before the rest
  const meanwhile = [asked.ask('key', 2), Promise.resolve().then(() => asked.ask('key', 3))];
  await asked.ask('other', 4);
  expect(batches).toEqual([[1], [4]]);
  expect(await Promise.all(meanwhile)).toEqual([2, 3]);
  expect(batches).toEqual([[1], [4], [2, 3]]);
});

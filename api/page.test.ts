import { expect, test } from '@jest/globals';
import { z } from 'zod';
import { flag, listOf, page, readCursor, writeCursor } from './page.ts';

const identity = (row: number) => row;

test('an extra row tells that there is more, and is not shown', () => {
  expect(page([1, 2, 3], 2, identity, identity)).toEqual({
    data: [1, 2],
    next_cursor: writeCursor(2),
  });
  expect(page([1, 2], 2, identity, identity).next_cursor).toBeNull();
  expect(page([], 2, identity, identity)).toEqual({ data: [], next_cursor: null });
});

test('a cursor comes back as it was, and another’s is refused', () => {
  const place = z.object({ at: z.string() });
  expect(readCursor(writeCursor({ at: 'x' }), place)).toEqual({ at: 'x' });
  expect(readCursor(undefined, place)).toBeNull();
  for (const foreign of ['', 'x', writeCursor('x'), writeCursor({ at: 1 })])
    expect(() => readCursor(foreign, place)).toThrow(/cursor/);
});

test('a list parameter takes commas and repeats, and checks each item', () => {
  const colours = listOf(z.enum(['red', 'blue']));
  expect(colours.parse('red, blue')).toEqual(['red', 'blue']);
  expect(colours.parse(['red', 'blue'])).toEqual(['red', 'blue']);
  expect(colours.safeParse('red,green').success).toBe(false);
});

test('a flag without value is true', () => {
  expect(['', 'true', '1', 'false', '0'].map((text) => flag.parse(text))).toEqual([
    true,
    true,
    true,
    false,
    false,
  ]);
});

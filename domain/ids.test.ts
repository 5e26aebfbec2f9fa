import { expect, it } from '@jest/globals';
import { isId, newId } from './ids.ts';

it('ids sort in the order in which they were made, within a millisecond too', () => {
  const made = Array.from({ length: 5000 }, () => newId('source'));
  expect([...made].sort()).toEqual(made);
  expect(new Set(made).size).toBe(made.length);
});

it('an id of a given time sorts by that time', () => {
  const early = newId('message', Date.UTC(2026, 0, 1));
  const late = newId('message', Date.UTC(2026, 0, 2));
  expect(early < late).toBe(true);
  expect(early < newId('message')).toBe(true);
  expect(isId('message', early)).toBe(true);
});

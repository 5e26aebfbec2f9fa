import { expect, test } from '@jest/globals';
import { WorkAllowance } from './work-allowance.ts';

test('work is let through up to a debt, and again when that is made up for', () => {
  let now = 0;
  const allowance = new WorkAllowance(100, 2, () => now);
  expect(allowance.take(150)).toBe(true);
  expect(allowance.take(450)).toBe(true); // larger than all that is saved, and done once
  expect(allowance.take(1)).toBe(false);
  now = 3_900;
  expect(allowance.take(1)).toBe(false);
  now = 4_100;
  expect(allowance.take(1)).toBe(true);
});

test('no more is saved than for its seconds', () => {
  let now = 0;
  const allowance = new WorkAllowance(100, 2, () => now);
  now = 3_600_000;
  expect(allowance.take(200)).toBe(true);
  expect(allowance.take(1)).toBe(false);
});

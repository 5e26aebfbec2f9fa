import { describe, expect, it } from '@jest/globals';
import { readRetryAfter, retryDelayMs } from './delivery-backoff.ts';

describe('retryDelayMs', () => {
  it('doubles its longest wait from 5 s to an hour', () => {
    const longest = [1, 2, 3, 4, 10, 11, 10_000].map((attempt) => retryDelayMs(attempt, null, 1));
    expect(longest).toEqual([5_000, 10_000, 20_000, 40_000, 2_560_000, 3_600_000, 3_600_000]);
  });

  it('draws from the whole span', () => {
    expect(retryDelayMs(3, null, 0)).toBe(0);
    expect(retryDelayMs(3, null, 0.5)).toBe(10_000);
  });

  it('keeps to what the receiver asks for, up to an hour', () => {
    expect(retryDelayMs(1, 90_000, 0)).toBe(90_000);
    expect(retryDelayMs(1, 86_400_000, 0)).toBe(3_600_000);
    expect(retryDelayMs(1, 0, 0.5)).toBe(2_500);
  });
});

describe('readRetryAfter', () => {
  const now = new Date('2026-03-01T10:00:00Z');
  it.each([
    ['120', 120_000],
    [' 5 ', 5_000],
    ['Sun, 01 Mar 2026 10:00:30 GMT', 30_000],
    ['Sun, 01 Mar 2026 09:00:00 GMT', 0],
    ['soon', null],
    ['-5', null],
    ['1.5', null],
    [null, null],
  ])('%p: %p', (header, ms) => {
    expect(readRetryAfter(header, now)).toBe(ms);
  });
});

import { expect, jest, test } from '@jest/globals';
import type { WrittenDelivery } from '../../workflows/contracts/relay.ts';
import { JustWritten } from './just-written.ts';

const delivery = { traceparent: 'one' } as WrittenDelivery; // its content is of no interest here

test('what was written a moment ago is taken once', () => {
  const written = new JustWritten();
  written.keep(new Map([['dlv_1', delivery]]));
  expect(written.take('dlv_1')).toBe(delivery);
  expect(written.take('dlv_1')).toBeNull();
  expect(written.take('dlv_2')).toBeNull();
});

test('what is older is read anew', () => {
  jest.useFakeTimers();
  try {
    const written = new JustWritten();
    written.keep(new Map([['dlv_1', delivery]]));
    jest.advanceTimersByTime(1_000);
    expect(written.take('dlv_1')).toBeNull();
  } finally {
    jest.useRealTimers();
  }
});

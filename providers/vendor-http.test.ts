import { expect, test } from '@jest/globals';
import { refusalFailure } from './vendor-http.ts';

const vendor = { code: 'vendor', title: 'Vendor', credential: 'token' };
const DAY_MS = 24 * 3_600_000;

test.each([
  ['120', 120_000],
  ['99999999999999999999', DAY_MS],
  ['Fri, 31 Dec 9999 23:59:59 GMT', DAY_MS],
])('a vendor that asks for a pause of %s has one that ends', async (asked, ms) => {
  const pauses: Date[] = [];
  const call = {
    limits: {
      slot: () => Promise.reject(new Error('nothing is asked here')),
      pause: (until: Date) => Promise.resolve(void pauses.push(until)),
    },
  };
  const answer = {
    status: 429,
    headers: new Headers({ 'retry-after': asked }),
    body: Buffer.alloc(0),
  };
  const began = Date.now();
  const failure = await refusalFailure(call as never, vendor, answer, { words: '' });
  expect(failure).toMatchObject({ class: 'wait', retryAfterMs: ms });
  expect(pauses[0]!.getTime()).toBeGreaterThanOrEqual(began + ms);
  expect(pauses[0]!.getTime()).toBeLessThanOrEqual(Date.now() + ms);
});

import { expect, test } from '@jest/globals';
import { etag, ifMatch } from './etag.ts';

test('a version goes out as a strong tag and comes back', () => {
  expect(etag(3)).toBe('"3"');
  expect(ifMatch('"3"')).toBe(3);
});

test.each([
  ['W/"3"', 3],
  ['3', 3],
  ['*', null],
  [undefined, null],
])('If-Match %s asks for version %s', (header, version) => {
  expect(ifMatch(header)).toBe(version);
});

test.each(['', 'abc', '"3", "4"', '"-1"'])('If-Match %s is refused, not ignored', (header) => {
  expect(() => ifMatch(header)).toThrow(/If-Match/);
});

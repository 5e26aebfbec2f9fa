import { expect, test } from '@jest/globals';
import { KeyRing, UnknownKeyError } from './key-ring.ts';

const ring = KeyRing.parse(KeyRing.generate());

test('a sealed value opens for its purpose and context alone', () => {
  const sealed = ring.sealJson('channel', { password: 'hunter2' }, 'chn_1');
  expect(ring.openJson('channel', sealed, 'chn_1')).toEqual({ password: 'hunter2' });
  expect(() => ring.open('channel', sealed, 'chn_2')).toThrow();
  expect(() => ring.open('payload', sealed, 'chn_1')).toThrow();
  expect(sealed.includes('hunter2')).toBe(false);
});

test('one flipped bit is noticed', () => {
  const sealed = ring.seal('x', Buffer.from('secret'));
  sealed[sealed.length - 1]! ^= 1;
  expect(() => ring.open('x', sealed)).toThrow();
});

test('after a rotation old values still open, and new ones carry the new key', () => {
  const [before, after] = [KeyRing.generate(), KeyRing.generate()];
  const sealed = KeyRing.parse(before).seal('x', Buffer.from('old'));
  const rotated = KeyRing.parse(`${after},${before}`);
  expect(rotated.open('x', sealed).toString()).toBe('old');
  expect(() => KeyRing.parse(before).open('x', rotated.seal('x', Buffer.from('new')))).toThrow(
    UnknownKeyError,
  );
});

test('a key of the wrong length is refused', () => {
  expect(() => KeyRing.parse('c2hvcnQ=')).toThrow(/32 bytes/);
});

import { expect, test } from '@jest/globals';
import { mergePatch, mergeSecrets, splitSecrets } from './settings-secrets.ts';

const settings = { host: 'h', password: 'a', smtp: { port: 25, password: 'b' } };
const paths = ['password', 'smtp.password', 'api_key', 'oauth.token'];

test('secrets are taken out by path, and put back where they were', () => {
  const { open, secrets } = splitSecrets(settings, paths);
  expect(open).toEqual({ host: 'h', smtp: { port: 25 } });
  expect(secrets).toEqual({ password: 'a', 'smtp.password': 'b' });
  expect(mergeSecrets(open, secrets)).toEqual(settings);
  expect(settings.smtp.password).toBe('b');
});

test('a secret whose place is gone is left out', () => {
  expect(mergeSecrets({ host: 'h' }, { 'smtp.password': 'b' })).toEqual({ host: 'h' });
});

test('a patch merges deeply, replaces lists, and removes with null', () => {
  const before = { a: 1, list: [1, 2], deep: { x: 1, y: 2 } };
  expect(mergePatch(before, { list: [3], deep: { y: null, z: { w: 1 } }, b: 2 })).toEqual({
    a: 1,
    b: 2,
    list: [3],
    deep: { x: 1, z: { w: 1 } },
  });
});

test('a patch reaches no prototype', () => {
  const patch = JSON.parse('{"__proto__": {"admin": true}, "a": {"__proto__": {"admin": true}}}');
  const merged = mergePatch({}, patch as Record<string, unknown>) as { admin?: boolean };
  expect([merged.admin, ({} as { admin?: boolean }).admin]).toEqual([undefined, undefined]);
});

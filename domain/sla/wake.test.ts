import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { expect, test } from '@jest/globals';

/** Every module that a file loads when it runs, `import type` left out. */
function loadedBy(file: string, seen = new Set<string>()): Set<string> {
  const source = readFileSync(file, 'utf8');
  for (const [, target] of source.matchAll(/^(?:import|export)(?! type)[^;]*?from '([^']+)'/gms)) {
    const module = target!.startsWith('.') ? resolve(dirname(file), target!) : target!;
    if (seen.has(module)) continue;
    seen.add(module);
    if (target!.startsWith('.')) loadedBy(module, seen);
  }
  return seen;
}

const packagesOf = (name: string): string[] =>
  [...loadedBy(resolve(import.meta.dirname, name))].filter((module) => !module.startsWith('/'));

test.each(['wake.ts', 'present.ts', 'explain.ts', 'state.ts'])(
  '%s, which workflow code imports, loads no package',
  (name) => {
    expect(packagesOf(name)).toEqual([]);
  },
);

test('the check sees through files: the transitions load the calendar and its packages', () => {
  expect(packagesOf('clock.ts')).toEqual(expect.arrayContaining(['luxon', 'zod']));
});

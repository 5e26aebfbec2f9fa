import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { workflowBundle } from './bundle.ts';

const ROOT = join(import.meta.dirname, '../..');

test('no module of ours that executions share keeps anything of one of them', async () => {
  const { code } = await workflowBundle();
  const own = [...code.matchAll(/^\/\*\*\*\/ "\.\/((?!node_modules)[^"]+\.ts)"/gm)].map(
    ([, file]) => file!,
  );
  expect(own).toContain('workflows/ticket.ts');
  const keeping = own.filter((file) => KEEPS.test(readFileSync(join(ROOT, file), 'utf8')));
  expect(keeping).toEqual([]);
});

/** At the top level: what can be assigned anew, and what can be filled. */
const KEEPS =
  /^(export )?(let|var) |^(export )?const \w+[^=\n]* = (new (Map|Set|WeakMap|Array)\(\)|\[\]|\{\});/m;

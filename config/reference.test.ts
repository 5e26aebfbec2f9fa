import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { providers } from '../providers/registry.ts';
import { configurationReference, REFERENCE_FILE } from './reference.ts';
import { Environment } from './schema.ts';

describe('docs/configuration.md', () => {
  it('is what `npm run docs:config` writes now', () => {
    expect(readFileSync(REFERENCE_FILE, 'utf8')).toBe(configurationReference());
  });

  it('names every variable once in its tables', () => {
    const lines = configurationReference().split('\n');
    for (const name of Object.keys(Environment.shape))
      expect([name, lines.filter((line) => line.startsWith(`| \`${name}\` |`)).length]).toEqual([
        name,
        1,
      ]);
  });

  it('marks every secret of every provider, and names the variables its manifest reserves', () => {
    for (const { manifest } of providers) {
      const section = configurationReference()
        .split(`### \`${manifest.name}\``)[1]
        ?.split('###')[0];
      for (const secret of manifest.secrets)
        expect(section).toContain(`\`${secret}\` | **Secret.**`);
      for (const variable of Object.keys(manifest.environment ?? {}))
        expect(section).toContain(`\`${variable}\``);
    }
  });
});

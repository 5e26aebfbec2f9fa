import { describe } from '@jest/globals';
import { MISSING_VARIABLE, type Prerequisite } from './missing.ts';

/** `describe` for tests that need a prerequisite; skipped only where `--allow-missing` permits. */
export function describeWith(prerequisite: Prerequisite, name: string, tests: () => void): void {
  const missing = (process.env[MISSING_VARIABLE] ?? '').split(',');
  if (missing.includes(prerequisite)) describe.skip(name, tests);
  else describe(name, tests);
}

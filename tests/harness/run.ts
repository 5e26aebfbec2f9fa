// `npm test [-- pattern…]`: brings what the suites need, runs them, ends with `N passed, N failed`.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { terminalProgress } from '../../embedded/progress.ts';
import { MISSING_VARIABLE, type Prerequisite } from './missing.ts';
import { bringPrerequisites } from './prerequisites.ts';

const root = resolve(import.meta.dirname, '../..');
const ALLOW_MISSING = '--allow-missing';

const HELP = `npm test -- [pattern…] [--allow-missing] [jest options]

  pattern            run only the files whose path contains it
  --allow-missing    skip the tests whose Dovecot or time-skipping server can't be had here
  --selectProjects   unit, workflow, integration, replay, e2e
`;

interface Outcome {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  /** Files that could not even be loaded. */
  readonly numRuntimeErrorTestSuites: number;
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help')) {
    process.stdout.write(HELP);
    return 0;
  }
  const missing = await bringPrerequisites(process.env, terminalProgress());
  for (const [, advice] of missing) process.stderr.write(`${advice}\n`);
  if (missing.size > 0 && !args.includes(ALLOW_MISSING)) {
    process.stderr.write(
      `Or run npm test -- ${ALLOW_MISSING}, which skips the tests that need it.\n`,
    );
    process.stdout.write('0 passed, 1 failed\n');
    return 1;
  }
  const results = mkdtempSync(join(tmpdir(), 'postroom-results-'));
  try {
    const file = join(results, 'results.json');
    const jestArguments = args.filter((argument) => argument !== ALLOW_MISSING);
    const code = await runJest([...jestArguments, '--json', `--outputFile=${file}`], missing);
    return report(read(file), missing, code);
  } finally {
    rmSync(results, { recursive: true, force: true });
  }
}

function runJest(
  args: readonly string[],
  missing: ReadonlyMap<Prerequisite, string>,
): Promise<number> {
  const options = `${process.env.NODE_OPTIONS ?? ''} --experimental-vm-modules --disable-warning=ExperimentalWarning`;
  const jest = spawn(
    process.execPath,
    [join(root, 'node_modules/jest/bin/jest.js'), '--rootDir', root, ...args],
    {
      cwd: root,
      // With --json, jest repeats the results on standard output; what it reports is on the other.
      stdio: ['inherit', 'ignore', 'inherit'],
      env: {
        ...process.env,
        NODE_OPTIONS: options.trim(),
        [MISSING_VARIABLE]: [...missing.keys()].join(','),
      },
    },
  );
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => jest.kill(signal));
  return new Promise((done) => {
    jest.on('error', () => done(1));
    jest.on('exit', (code, signal) => done(code ?? 128 + constants.signals[signal ?? 'SIGTERM']));
  });
}

function read(file: string): Outcome | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Outcome; // jest's own report
  } catch {
    return undefined; // jest ended before it could report; its exit code says so
  }
}

function report(
  outcome: Outcome | undefined,
  missing: ReadonlyMap<Prerequisite, string>,
  code: number,
): number {
  const passed = outcome?.numPassedTests ?? 0;
  const failed = (outcome?.numFailedTests ?? 0) + (outcome?.numRuntimeErrorTestSuites ?? 0);
  const brokeOff = code !== 0 && failed === 0;
  const skipped = outcome?.numPendingTests ?? 0;
  if (missing.size > 0)
    process.stdout.write(`Skipped for want of: ${[...missing.keys()].join(', ')}\n`);
  if (skipped > 0) process.stdout.write(`${skipped} skipped\n`);
  process.stdout.write(`${passed} passed, ${brokeOff ? 1 : failed} failed\n`);
  return brokeOff || failed > 0 ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));

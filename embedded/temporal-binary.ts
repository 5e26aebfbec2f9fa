import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder, type Environment } from './cache.ts';
import type { Progress } from './progress.ts';
import { runCommand } from './run-command.ts';

/** The last version that `go install` can build; its server is 1.29.1. */
export const TEMPORAL_CLI_VERSION = '1.5.1';

const CONNECT_MS = 5000;
const DOWNLOAD_MS = 180_000;
const BUILD_MS = 20 * 60_000;

/** No way led to a Temporal server; the message says each one's fault and what to do. */
export class NoTemporal extends Error {
  override name = 'NoTemporal';
}

/**
 * Path of a Temporal CLI that runs: on PATH, in the per-user cache, else downloaded or built into
 * that cache.
 * @throws NoTemporal
 */
export async function findTemporal(environment: Environment, progress: Progress): Promise<string> {
  const cached = join(cacheFolder(environment), `temporal-cli-${TEMPORAL_CLI_VERSION}`, 'temporal');
  const faults: string[] = [];
  const ways: readonly [string, () => Promise<string>][] = [
    ['on PATH', () => checked('temporal')],
    ['in the cache', () => checked(cached)],
    ['by download', () => downloaded(cached, environment, progress)],
    ['by go install', () => built(cached, environment, progress)],
  ];
  for (const [way, attempt] of ways) {
    try {
      return await attempt();
    } catch (error) {
      faults.push(`  ${way}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new NoTemporal(
    `No Temporal server was found or could be made:\n${faults.join('\n')}\n` +
      'Do one of these, then start again:\n' +
      '  - install the Temporal CLI so that `temporal` is on PATH (https://docs.temporal.io/cli)\n' +
      `  - put its executable at ${cached}\n` +
      '  - install Go 1.23 or later; it is then built from source, once, in some minutes\n' +
      '  - set TEMPORAL_ADDRESS to a Temporal server that runs already',
  );
}

/** @throws Error where it isn't there, doesn't run, or its server is too old. */
async function checked(binary: string): Promise<string> {
  const { code, output } = await runCommand(binary, ['--version'], { timeoutMs: 15_000 });
  if (code !== 0) throw new Error(output.includes('ENOENT') ? 'none there' : output.trim());
  const server = /Server (\d+)\.(\d+)/.exec(output);
  if (!server || Number(server[1]) < 1 || Number(server[2]) < 29)
    throw new Error(`${output.trim()} is too old; its server must be 1.29 or later`);
  return binary;
}

async function downloaded(
  target: string,
  environment: Environment,
  progress: Progress,
): Promise<string> {
  const platform = { linux: 'linux', darwin: 'darwin' }[process.platform as string];
  const arch = { x64: 'amd64', arm64: 'arm64' }[process.arch as string];
  if (!platform || !arch) throw new Error(`none for ${process.platform} ${process.arch}`);
  const url = `https://temporal.download/cli/archive/v${TEMPORAL_CLI_VERSION}?platform=${platform}&arch=${arch}`;
  const archive = await progress.step('Downloading the Temporal server', () => fetched(url));
  return intoCache(target, environment, async (folder) => {
    const file = join(folder, 'archive.tar.gz');
    writeFileSync(file, archive);
    const { code, output } = await runCommand('tar', ['-xzf', file, '-C', folder, 'temporal']);
    if (code !== 0) throw new Error(`the archive could not be unpacked: ${output.trim()}`);
  });
}

async function fetched(url: string): Promise<Buffer> {
  const abort = new AbortController();
  const connecting = setTimeout(() => abort.abort(new Error('no answer')), CONNECT_MS);
  const loading = setTimeout(() => abort.abort(new Error('took too long')), DOWNLOAD_MS);
  try {
    const response = await fetch(url, { signal: abort.signal });
    clearTimeout(connecting);
    if (!response.ok) throw new Error(`status ${response.status}`);
    return Buffer.from(await response.arrayBuffer());
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw new Error(`${url}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause: error,
    });
  } finally {
    clearTimeout(connecting);
    clearTimeout(loading);
  }
}

async function built(
  target: string,
  environment: Environment,
  progress: Progress,
): Promise<string> {
  const go = await runCommand('go', ['version'], { timeoutMs: 15_000 });
  if (go.code !== 0) throw new Error('Go is not installed');
  return intoCache(target, environment, async (folder) => {
    const install = () =>
      runCommand(
        'go',
        [
          'install',
          '-ldflags=-s -w',
          `github.com/temporalio/cli/cmd/temporal@v${TEMPORAL_CLI_VERSION}`,
        ],
        { env: { ...environment, GOBIN: folder }, timeoutMs: BUILD_MS },
      );
    const what = 'Building the Temporal server with Go (once, two to ten minutes)';
    const { code, output } = await progress.step(what, install);
    if (code !== 0) throw new Error(output.trim().split('\n').slice(-3).join(' '));
  });
}

/** Lets `make` put `temporal` into a folder of its own, and moves it to its place once it runs. */
async function intoCache(
  target: string,
  environment: Environment,
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const cache = cacheFolder(environment);
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'making-temporal-'));
  try {
    await make(folder);
    await checked(join(folder, 'temporal'));
    mkdirSync(join(target, '..'), { recursive: true });
    if (!existsSync(target)) renameSync(join(folder, 'temporal'), target);
    return target;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

import { existsSync } from 'node:fs';
import type { Environment } from '../../embedded/cache.ts';
import type { Progress } from '../../embedded/progress.ts';
import { runCommand } from '../../embedded/run-command.ts';
import { findTemporal } from '../../embedded/temporal-binary.ts';
import type { Prerequisite } from './missing.ts';
import { timeSkippingServer } from './time-skipping.ts';

const APT_MS = 10 * 60_000;

/** Brings what the suites need; returns what could not be brought, each with what to do. */
export async function bringPrerequisites(
  environment: Environment,
  progress: Progress,
): Promise<Map<Prerequisite, string>> {
  await findTemporal(environment, progress);
  const missing = new Map<Prerequisite, string>();
  const dovecot = await bringDovecot(progress);
  if (dovecot !== undefined) missing.set('dovecot', dovecot);
  const timeSkipping = await bringTimeSkipping(environment, progress);
  if (timeSkipping !== undefined) missing.set('time-skipping', timeSkipping);
  return missing;
}

async function bringDovecot(progress: Progress): Promise<string | undefined> {
  if (existsSync('/usr/lib/dovecot/pop3') && existsSync('/usr/lib/dovecot/imap')) return undefined;
  return install('Dovecot', ['dovecot-imapd', 'dovecot-pop3d'], progress);
}

async function bringTimeSkipping(
  environment: Environment,
  progress: Progress,
): Promise<string | undefined> {
  const first = await timeSkippingServer(environment, progress);
  if ('path' in first) return undefined;
  const what = `Temporal's time-skipping server (${first.missing})`;
  const refused = await install(what, ['default-jre-headless', 'maven'], progress);
  if (refused !== undefined) return refused;
  const second = await timeSkippingServer(environment, progress);
  return 'path' in second ? undefined : `${what} is missing: ${second.missing}`;
}

/** With apt-get, as root on Debian; elsewhere, and where that fails, returns what to do. */
async function install(
  what: string,
  packages: readonly string[],
  progress: Progress,
): Promise<string | undefined> {
  const advice = `${what} is missing. Install it (Debian: apt-get install ${packages.join(' ')})`;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return `${advice}.`;
  const apt = (...args: string[]) =>
    runCommand('apt-get', ['-qq', ...args], {
      timeoutMs: APT_MS,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  const { code, output } = await progress.step(`Installing ${packages.join(' and ')}`, async () => {
    await apt('update');
    return apt('install', '-y', '--no-install-recommends', ...packages);
  });
  return code === 0 ? undefined : `${advice}; apt-get failed: ${output.trim().split('\n').at(-1)}`;
}

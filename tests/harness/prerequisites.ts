import { existsSync } from 'node:fs';
import type { Environment } from '../../embedded/cache.ts';
import type { Progress } from '../../embedded/progress.ts';
import { runCommand } from '../../embedded/run-command.ts';
import { findTemporal } from '../../embedded/temporal-binary.ts';
import type { Prerequisite } from './missing.ts';
import { timeSkippingServer } from './time-skipping.ts';

const APT_MS = 5 * 60_000;

/** Brings what the suites need; returns what could not be brought, each with what to do. */
export async function bringPrerequisites(
  environment: Environment,
  progress: Progress,
): Promise<Map<Prerequisite, string>> {
  await findTemporal(environment, progress);
  const missing = new Map<Prerequisite, string>();
  const timeSkipping = await timeSkippingServer(environment, progress);
  if ('missing' in timeSkipping)
    missing.set(
      'time-skipping',
      `Temporal's time-skipping server is missing: ${timeSkipping.missing}. ` +
        'Install Java and Maven (Debian: apt-get install default-jre-headless maven).',
    );
  const dovecot = await bringDovecot(progress);
  if (dovecot !== undefined) missing.set('dovecot', dovecot);
  return missing;
}

/** Undefined once Dovecot is there; else what to do. */
async function bringDovecot(progress: Progress): Promise<string | undefined> {
  const packages = ['dovecot-imapd', 'dovecot-pop3d'];
  if (existsSync('/usr/lib/dovecot/pop3') && existsSync('/usr/lib/dovecot/imap')) return undefined;
  const advice = `Dovecot is missing. Install it (Debian: apt-get install ${packages.join(' ')})`;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return `${advice}.`;
  const apt = (...args: string[]) =>
    runCommand('apt-get', ['-qq', ...args], {
      timeoutMs: APT_MS,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  const { code, output } = await progress.step('Installing Dovecot with apt-get', async () => {
    await apt('update');
    return apt('install', '-y', '--no-install-recommends', ...packages);
  });
  return code === 0 ? undefined : `${advice}; apt-get failed: ${output.trim().split('\n').at(-1)}`;
}

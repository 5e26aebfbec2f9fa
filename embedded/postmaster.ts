import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Ends a server that an earlier process left on this cluster, and removes a pid file that names
 * no living Postgres (after a reboot its number may be anybody's, and Postgres would not start).
 */
export async function endPostmaster(data: string): Promise<void> {
  const file = join(data, 'cluster', 'postmaster.pid');
  if (!existsSync(file)) return;
  const pid = Number(readFileSync(file, 'utf8').split('\n')[0]);
  if (isPostgres(pid)) {
    process.kill(pid, 'SIGINT');
    const deadline = Date.now() + 10_000;
    while (isPostgres(pid) && Date.now() < deadline) await sleep(50);
    if (isPostgres(pid)) process.kill(pid, 'SIGQUIT');
    while (isPostgres(pid) && Date.now() < deadline + 5000) await sleep(50);
  }
  rmSync(file, { force: true });
}

/** Whether a living Postgres has this number; a zombie is not living. */
function isPostgres(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 1) return false;
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  if (process.platform !== 'linux') return true;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const state = stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
    return state !== 'Z' && stat.includes('(postgres)');
  } catch {
    return false;
  }
}

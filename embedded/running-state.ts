import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/** What a running product leaves in its home for the other commands; readable by its user alone. */
const RunningState = z.object({
  pid: z.number().int(),
  databaseUrl: z.string(),
  temporalAddress: z.string(),
  temporalUiUrl: z.string(),
  apiUrl: z.string(),
  smtpHost: z.string(),
  smtpPort: z.number().int(),
});
export type RunningState = z.infer<typeof RunningState>;

const file = (home: string) => join(home, 'running.json');

export function writeRunningState(home: string, state: RunningState): void {
  const fresh = `${file(home)}.${process.pid}`;
  writeFileSync(fresh, JSON.stringify(state, null, 2), { mode: 0o600 });
  renameSync(fresh, file(home));
}

export function removeRunningState(home: string): void {
  rmSync(file(home), { force: true });
}

/** Null where nothing runs with this home (a killed product may have left the file). */
export function readRunningState(home: string): RunningState | null {
  if (!existsSync(file(home))) return null;
  const state = RunningState.safeParse(JSON.parse(readFileSync(file(home), 'utf8')));
  if (!state.success) return null;
  try {
    process.kill(state.data.pid, 0);
    return state.data;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM' ? state.data : null;
  }
}

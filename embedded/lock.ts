import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** Another process holds this home. */
export class AlreadyRunning extends Error {
  override name = 'AlreadyRunning';
}

export interface HomeLock {
  release(): void;
}

/** Locks that are held: one that its taker lets go of unreleased would be freed with the garbage. */
const held = new Set<DatabaseSync>();

/**
 * Takes the home folder for this process. The lock is SQLite's file lock, which the kernel frees
 * even after kill -9, so it can't go stale.
 * @throws AlreadyRunning
 */
export function lockHome(home: string): HomeLock {
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const database = new DatabaseSync(join(home, 'lock'));
  try {
    database.exec('pragma locking_mode = exclusive; begin exclusive');
  } catch (error) {
    database.close();
    if (!isBusy(error)) throw error;
    throw new AlreadyRunning(`Postroom is already running with the state in ${home}.`);
  }
  held.add(database);
  return {
    release() {
      held.delete(database);
      database.close();
    },
  };
}

function isBusy(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'errcode' in error && error.errcode === 5;
}

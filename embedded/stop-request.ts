import { loadConfig } from '../config/config.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Ctrl-C reaches us twice within a millisecond: from the terminal and through npm. */
const REPEAT_IS_MEANT_AFTER_MS = 1000;
const PARENT_LOOK_MS = 500;

/**
 * Settles when this process is asked to end: by a signal, or because npm, which started it, is gone.
 * A signal that is repeated after a second ends it at once.
 */
export function stopRequest(): Promise<string> {
  return new Promise((asked) => {
    let since: number | undefined;
    for (const signal of SIGNALS)
      process.on(signal, () => {
        if (since !== undefined && Date.now() - since > REPEAT_IS_MEANT_AFTER_MS) process.exit(130);
        since ??= Date.now();
        asked(signal);
      });
    const parent = process.ppid;
    if (startedByNpm())
      setInterval(() => {
        if (process.ppid !== parent) asked('the parent is gone');
      }, PARENT_LOOK_MS).unref();
  });
}

function startedByNpm(): boolean {
  try {
    return loadConfig().environment.npm_lifecycle_event !== undefined;
  } catch {
    return false; // a bad setting is reported by the start itself
  }
}

import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** A program that lives no longer than this process, even if that is killed with SIGKILL. */
export interface Tethered {
  readonly name: string;
  /** Of the wrapper; the program is its child. */
  readonly pid: number;
  /** Settles with how it ended, never rejects. */
  readonly exited: Promise<{ code: number | null; signal: string | null }>;
  /** Ends the program in its own orderly way and waits until it is gone. */
  stop(): Promise<void>;
  /** The last lines the program wrote, for an error's message. */
  logTail(lines?: number): string;
}

export interface TetherOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** File that takes what the program writes. */
  readonly log: string;
  /** How the program is asked to end: INT for Postgres (fast shutdown), TERM for others. */
  readonly stopSignal: 'INT' | 'TERM';
  /** Time until it is killed after that. */
  readonly graceSeconds?: number;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

// The wrapper's standard input is a pipe that only we hold: its end is our end. A watcher reads it,
// stops the program then, and kills it if that takes too long. Signals from the terminal are ours.
const WRAPPER = `
trap '' INT HUP
signal=$1; grace=$2; shift 2
exec 3<&0 </dev/null
"$@" 3<&- &
child=$!
trap 'kill -s "$signal" "$child" 2>/dev/null' TERM
{
  while read -r line <&3; do :; done
  kill -s "$signal" "$child" 2>/dev/null
  left=$((grace * 10))
  while [ "$left" -gt 0 ] && kill -0 "$child" 2>/dev/null; do sleep 0.1; left=$((left - 1)); done
  kill -s KILL "$child" 2>/dev/null
} >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait "$child"; status=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; status=$?; done
kill -s KILL "$watcher" 2>/dev/null
exit "$status"
`;

/** Starts a program under the wrapper; the caller waits for its readiness itself. */
export function startTethered(options: TetherOptions): Tethered {
  mkdirSync(dirname(options.log), { recursive: true });
  const log = openSync(options.log, 'a', 0o600);
  const wrapper = spawn(
    '/bin/sh',
    [
      '-c',
      WRAPPER,
      `tether-${options.name}`,
      options.stopSignal,
      String(options.graceSeconds ?? 8),
      options.command,
      ...options.args,
    ],
    {
      // A group of its own: Ctrl-C must not end it before what depends on it has ended.
      detached: true,
      stdio: ['pipe', log, log],
      cwd: options.cwd,
      ...(options.env && { env: { ...options.env } }),
    },
  );
  closeSync(log);
  wrapper.stdin?.on('error', () => undefined); // EPIPE where it is gone already
  const exited = new Promise<{ code: number | null; signal: string | null }>((settle) => {
    wrapper.on('exit', (code, signal) => settle({ code, signal }));
    wrapper.on('error', () => settle({ code: null, signal: null }));
  });
  return {
    name: options.name,
    pid: wrapper.pid ?? -1,
    exited,
    async stop() {
      wrapper.stdin?.end();
      await exited;
    },
    logTail: (lines = 15) => lastLines(options.log, lines),
  };
}

function lastLines(file: string, count: number): string {
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-count).join('\n');
}

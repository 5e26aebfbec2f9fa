import { spawn } from 'node:child_process';

export interface CommandResult {
  /** null where it could not be started, or was ended by a signal or the time limit. */
  readonly code: number | null;
  /** Standard output and error, in the order they came. */
  readonly output: string;
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly timeoutMs?: number;
  /** Put over our own environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly onOutput?: (text: string) => void;
}

/** Runs a command to its end; never rejects. */
export function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((done) => {
    let output = '';
    const child = spawn(command, args, {
      cwd: options.cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(options.env && { env: { ...options.env } }),
    });
    const take = (chunk: Buffer) => {
      output += chunk.toString();
      options.onOutput?.(chunk.toString());
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    const end = () => void child.kill();
    process.once('exit', end);
    // Not spawn's own time limit: its timer outlives a command that could not be started.
    const limit = options.timeoutMs && setTimeout(end, options.timeoutMs);
    const finish = (result: CommandResult) => {
      clearTimeout(limit);
      process.off('exit', end);
      done(result);
    };
    child.on('error', (error) => finish({ code: null, output: `${output}${error.message}` }));
    child.on('close', (code) => finish({ code, output }));
  });
}

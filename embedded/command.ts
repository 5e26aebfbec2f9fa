import { loadConfig, type Config } from '../config/config.ts';

/** Runs a command to its end; a fault is said in one line and ends it with code 1. */
export async function runAsCommand(command: (config: Config) => Promise<void>): Promise<void> {
  try {
    await command(loadConfig());
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}

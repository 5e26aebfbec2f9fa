import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { createLogger, type Logger } from '../telemetry/log.ts';

/** The product's log in the home, so that the terminal shows the summary alone. */
export function fileLogger(config: Config): Logger {
  const folder = join(config.home, 'logs');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = createWriteStream(join(folder, 'postroom.log'), { flags: 'a', mode: 0o600 });
  file.on('error', (error) => process.stderr.write(`The log can't be written: ${error.message}\n`));
  return createLogger(config.logLevel, { write: (line) => void file.write(line) });
}

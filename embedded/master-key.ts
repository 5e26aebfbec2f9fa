import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, type Config } from '../config/config.ts';
import { KeyRing } from '../security/key-ring.ts';

/**
 * The key ring's text: as configured, else kept in the home, where the first start makes it.
 * @throws ConfigError in production, where a key that nobody has kept elsewhere is data lost later.
 */
export function masterKey(config: Config): string {
  if (config.masterKey !== undefined) return config.masterKey;
  const file = join(config.home, 'master.key');
  if (existsSync(file)) return readFileSync(file, 'utf8').trim();
  if (config.production)
    throw new ConfigError(
      'POSTROOM_MASTER_KEY is missing, and with NODE_ENV=production none is made. ' +
        'Make one with `openssl rand -base64 32`, keep it safe, and set it in the environment of every process.',
    );
  mkdirSync(config.home, { recursive: true, mode: 0o700 });
  const key = KeyRing.generate();
  writeFileSync(file, `${key}\n`, { mode: 0o600, flag: 'wx' });
  return key;
}

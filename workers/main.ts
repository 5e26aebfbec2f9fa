// `--role ROLE[,ROLE…]`: some roles of the product in the foreground, on servers that are all
// configured: what a container or a unit file runs. `npm start` runs every role in one process.
import { parseArgs } from 'node:util';
import { ConfigError, loadConfig } from '../config/config.ts';
import { createLogger } from '../telemetry/log.ts';
import { ROLES } from './roles.ts';
import { PRODUCT_ROLES, startRoles, type ProductRole } from '../embedded/roles.ts';
import { stopRequest } from '../embedded/stop-request.ts';

const HELP = `Runs roles of the product in the foreground: --role ROLE[,ROLE…]

Roles: ${PRODUCT_ROLES.join(', ')}; all is every one, workers is all but the doors.
Wants DATABASE_URL, TEMPORAL_ADDRESS and POSTROOM_MASTER_KEY.
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { role: { type: 'string' }, help: { type: 'boolean' } },
  });
  if (values.help || values.role === undefined) {
    process.stdout.write(HELP);
    return values.help ? 0 : 2;
  }
  const stopping = stopRequest(); // from now on, so that a signal in mid-start ends it in order
  const config = loadConfig();
  const log = createLogger(config.logLevel);
  const roles = await startRoles(config, log, rolesOf(values.role));
  log.info({ roles: values.role }, 'running');
  const fault = await Promise.race([
    stopping.then(() => undefined),
    roles.failed.catch((error: unknown) => error),
  ]);
  if (fault !== undefined) log.fatal({ err: fault }, 'a worker failed; ending');
  await roles.stop();
  return fault === undefined ? 0 : 1;
}

function rolesOf(text: string): readonly ProductRole[] {
  if (text === 'all') return PRODUCT_ROLES;
  if (text === 'workers') return ROLES;
  return text.split(',').map(known);
}

function known(name: string): ProductRole {
  const role = PRODUCT_ROLES.find((candidate) => candidate === name.trim());
  if (role === undefined)
    throw new ConfigError(`There is no role "${name}"; the roles are ${PRODUCT_ROLES.join(', ')}.`);
  return role;
}

try {
  process.exit(await main());
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

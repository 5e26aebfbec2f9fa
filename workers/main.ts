import { parseArgs } from 'node:util';
import { ConfigError, loadConfig } from '../config/config.ts';
import { openDeps } from './deps.ts';
import { ROLES, type Role } from './roles.ts';
import { startWorkers } from './start.ts';

const HELP = `Runs the workers of one role or of several, in the foreground.

  npm run worker -- --role ROLE[,ROLE…]

Roles: ${ROLES.join(', ')}; \`all\` (the default) runs every one.
Wants DATABASE_URL, TEMPORAL_ADDRESS and POSTROOM_MASTER_KEY.
`;

const { values } = parseArgs({
  options: { role: { type: 'string', default: 'all' }, help: { type: 'boolean', short: 'h' } },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
try {
  await run(rolesOf(values.role));
} catch (error) {
  process.stderr.write(
    `${error instanceof ConfigError ? error.message : String((error as Error).stack ?? error)}\n`,
  );
  process.exit(1);
}

function rolesOf(text: string): Role[] {
  if (text === 'all') return [...ROLES];
  return text.split(',').map((name) => {
    const role = ROLES.find((known) => known === name.trim());
    if (!role)
      throw new ConfigError(
        `There is no role "${name}"; the roles are ${ROLES.join(', ')} and all.`,
      );
    return role;
  });
}

async function run(roles: Role[]): Promise<void> {
  const deps = openDeps(loadConfig());
  const workers = await startWorkers(deps, roles);
  deps.log.info({ roles }, 'workers are polling');
  const asked = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, resolve);
  });
  try {
    await Promise.race([asked, workers.failed]);
  } finally {
    await workers.stop();
    await deps.close();
  }
}

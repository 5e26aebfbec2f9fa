// `npm run tenant -- NAME`: makes a tenant and an admin API key of it.
import { connect } from '../db/connection.ts';
import { createApiKey, ensureTenant, findTenant } from '../db/queries/tenants.ts';
import { runAsCommand } from './command.ts';
import { runningDatabaseUrl } from './running-database.ts';

await runAsCommand(async (config) => {
  const [name, ...rest] = process.argv.slice(2);
  if (name === undefined || rest.length > 0 || !/^[a-z0-9][a-z0-9-]{0,62}$/.test(name))
    throw new Error(
      'usage: npm run tenant -- NAME\nNAME: lower-case letters, digits and hyphens, at most 63, e.g. acme',
    );
  const db = connect({ url: runningDatabaseUrl(config), poolSize: 1 });
  try {
    if ((await findTenant(db, name)) !== null)
      throw new Error(
        `There is a tenant "${name}" already. Its keys are made at POST /v1/api-keys.`,
      );
    const tenant = await ensureTenant(db, name);
    const { key } = await createApiKey(db, tenant, 'first key', ['*']);
    process.stdout.write(`tenant ${tenant}\nkey    ${key}   (shown once)\n`);
  } finally {
    await db.destroy();
  }
});

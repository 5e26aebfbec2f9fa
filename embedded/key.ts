// `npm run --silent key`: a new admin API key of tenant `demo`, alone on standard output.
import { connect } from '../db/connection.ts';
import { createApiKey, findTenant } from '../db/queries/tenants.ts';
import { runAsCommand } from './command.ts';
import { DEMO_TENANT } from './demo-tenant.ts';
import { runningDatabaseUrl } from './running-database.ts';

await runAsCommand(async (config) => {
  const db = connect({ url: runningDatabaseUrl(config), poolSize: 1 });
  try {
    const tenant = await findTenant(db, DEMO_TENANT);
    if (tenant === null)
      throw new Error(
        `There is no tenant "${DEMO_TENANT}" in this database yet: run \`npm start\` to its summary once, ` +
          'or make a tenant and its key with `npm run tenant -- NAME`.',
      );
    const { key } = await createApiKey(db, tenant, 'npm run key', ['*']);
    process.stdout.write(`${key}\n`);
  } finally {
    await db.destroy();
  }
});

import { connect } from '../db/connection.ts';
import { createApiKey, findTenant } from '../db/queries/tenants.ts';
import { DEMO_TENANT } from './demo-tenant.ts';

/**
 * Makes an admin API key of tenant `demo`, straight in the database.
 * @param name what the key is listed under at /v1/api-keys
 * @throws Error where the tenant has not been made yet
 */
export async function makeAdminKey(
  databaseUrl: string,
  name: string,
): Promise<{ id: string; key: string }> {
  const db = connect({ url: databaseUrl, poolSize: 1 });
  try {
    const tenant = await findTenant(db, DEMO_TENANT);
    if (tenant === null)
      throw new Error(
        `There is no tenant "${DEMO_TENANT}" in this database yet: run \`npm start\` to its summary once, ` +
          'or make a tenant and its key with `npm run tenant -- NAME`.',
      );
    return await createApiKey(db, tenant, name, ['*']);
  } finally {
    await db.destroy();
  }
}

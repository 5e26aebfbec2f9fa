import { sql } from 'kysely';
import { newId, type TenantId } from '../../domain/ids.ts';
import { TenantSettings } from '../../domain/tenant-settings.ts';
import { mintApiKey } from '../../security/api-key.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';

/** Makes a tenant, or finds the one of that name. */
export async function ensureTenant(db: Db, name: string): Promise<TenantId> {
  const { rows } = await sql<{
    id: TenantId;
  }>`select create_tenant(${newId('tenant')}, ${name}) as id`.execute(db);
  return rows[0]!.id;
}

export async function findTenant(db: Db, name: string): Promise<TenantId | null> {
  const { rows } = await sql<{
    tenant_id: TenantId;
  }>`select * from resolve_tenant(${name})`.execute(db);
  return rows[0]?.tenant_id ?? null;
}

/** Of the whole installation. */
export async function tenantIds(db: Db): Promise<TenantId[]> {
  const { rows } = await sql<{ id: TenantId }>`select id from tenant_ids() as id`.execute(db);
  return rows.map(({ id }) => id);
}

export async function tenantSettings(tx: Tx, tenantId: TenantId): Promise<TenantSettings> {
  const row = await tx
    .selectFrom('tenants')
    .select('settings')
    .where('id', '=', tenantId)
    .executeTakeFirstOrThrow();
  return TenantSettings.parse(row.settings);
}

export async function changeTenantSettings(
  db: Db,
  tenantId: TenantId,
  changes: Partial<TenantSettings>,
): Promise<void> {
  await inTenant(db, tenantId, (tx) =>
    tx
      .updateTable('tenants')
      .set({ settings: sql`settings || ${JSON.stringify(changes)}::jsonb` })
      .where('id', '=', tenantId)
      .execute(),
  );
}

/** Makes an API key; the key itself is in the answer alone. */
export async function createApiKey(
  db: Db,
  tenantId: TenantId,
  name: string,
  scopes: readonly string[],
): Promise<{ id: string; key: string }> {
  const { id, key, secretHash } = mintApiKey();
  await inTenant(db, tenantId, (tx) =>
    tx
      .insertInto('api_keys')
      .values({ id, tenant_id: tenantId, name, secret_hash: secretHash, scopes: [...scopes] })
      .execute(),
  );
  return { id, key };
}

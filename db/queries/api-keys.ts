import { sql } from 'kysely';
import type { TenantId } from '../../domain/ids.ts';
import type { MintedKey } from '../../security/api-key.ts';
import { inTenant, type Db } from '../connection.ts';

export interface ResolvedKey {
  readonly tenantId: TenantId;
  readonly secretHash: Buffer;
  readonly scopes: readonly string[];
}

/** The tenant and hash of a key that is not revoked, asked before any tenant is known. */
export async function resolveApiKey(db: Db, keyId: string): Promise<ResolvedKey | null> {
  const { rows } = await sql<{ tenant_id: TenantId; secret_hash: Buffer; scopes: string[] }>`
    select tenant_id, secret_hash, scopes from resolve_api_key(${keyId})`.execute(db);
  const row = rows[0];
  return row ? { tenantId: row.tenant_id, secretHash: row.secret_hash, scopes: row.scopes } : null;
}

export interface ApiKeyRow {
  readonly id: string;
  readonly name: string;
  readonly scopes: string[];
  readonly created_at: Date;
  readonly last_used_at: Date | null;
  readonly revoked_at: Date | null;
}
const SHOWN = ['id', 'name', 'scopes', 'created_at', 'last_used_at', 'revoked_at'] as const;

/** Stores a minted key; a repeat with the same id (its answer was lost) replaces the secret that nobody saw. */
export async function insertApiKey(
  db: Db,
  tenantId: TenantId,
  minted: MintedKey,
  name: string,
  scopes: readonly string[],
): Promise<ApiKeyRow> {
  return inTenant(db, tenantId, (tx) =>
    tx
      .insertInto('api_keys')
      .values({
        id: minted.id,
        tenant_id: tenantId,
        name,
        secret_hash: minted.secretHash,
        scopes: [...scopes],
      })
      .onConflict((oc) => oc.column('id').doUpdateSet({ secret_hash: minted.secretHash }))
      .returning(SHOWN)
      .executeTakeFirstOrThrow(),
  );
}

/** Newest last, revoked ones too. @param after id of the last one shown. */
export async function listApiKeys(
  db: Db,
  tenantId: TenantId,
  { after, limit }: { after: string | null; limit: number },
): Promise<ApiKeyRow[]> {
  return inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('api_keys')
      .select(SHOWN)
      .$if(after !== null, (query) => query.where('id', '>', after!))
      .orderBy('id')
      .limit(limit)
      .execute(),
  );
}

/** False where there is no such key; a revoked one stays as it is. */
export async function revokeApiKey(db: Db, tenantId: TenantId, keyId: string): Promise<boolean> {
  const result = await inTenant(db, tenantId, (tx) =>
    tx
      .updateTable('api_keys')
      .set({ revoked_at: sql<Date>`coalesce(revoked_at, now())` })
      .where('id', '=', keyId)
      .executeTakeFirst(),
  );
  return result.numUpdatedRows > 0n;
}

export async function noteKeyUse(db: Db, tenantId: TenantId, keyId: string): Promise<void> {
  await inTenant(db, tenantId, (tx) =>
    tx
      .updateTable('api_keys')
      .set({ last_used_at: sql<Date>`now()` })
      .where('id', '=', keyId)
      .execute(),
  );
}

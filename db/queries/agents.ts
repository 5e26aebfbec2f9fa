import type { Selectable } from 'kysely';
import type { AgentId, TenantId } from '../../domain/ids.ts';
import { inTenant, type Db } from '../connection.ts';
import type { Database } from '../schema.ts';

export type AgentRow = Selectable<Database['agents']>;

export interface AgentFields {
  readonly name: string;
  readonly addresses: string[];
  readonly role: AgentRow['role'];
  readonly is_active: boolean;
}

/** A repeat with the same id finds the first one. */
export async function insertAgent(
  db: Db,
  tenantId: TenantId,
  id: AgentId,
  fields: AgentFields,
): Promise<AgentRow> {
  return inTenant(db, tenantId, (tx) =>
    tx
      .insertInto('agents')
      .values({ id, tenant_id: tenantId, ...fields })
      .onConflict((oc) => oc.column('id').doUpdateSet(fields))
      .returningAll()
      .executeTakeFirstOrThrow(),
  );
}

export async function findAgent(db: Db, tenantId: TenantId, id: string): Promise<AgentRow | null> {
  const row = await inTenant(db, tenantId, (tx) =>
    tx.selectFrom('agents').selectAll().where('id', '=', id).executeTakeFirst(),
  );
  return row ?? null;
}

/** Oldest first. @param after id of the last one shown. */
export async function listAgents(
  db: Db,
  tenantId: TenantId,
  { after, limit, isActive }: { after: string | null; limit: number; isActive?: boolean },
): Promise<AgentRow[]> {
  return inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('agents')
      .selectAll()
      .where('tenant_id', '=', tenantId)
      .$if(isActive !== undefined, (query) => query.where('is_active', '=', isActive!))
      .$if(after !== null, (query) => query.where('id', '>', after!))
      .orderBy('id')
      .limit(limit)
      .execute(),
  );
}

export async function updateAgent(
  db: Db,
  tenantId: TenantId,
  id: string,
  changes: Partial<AgentFields>,
): Promise<AgentRow | null> {
  if (Object.values(changes).every((value) => value === undefined))
    return findAgent(db, tenantId, id);
  const row = await inTenant(db, tenantId, (tx) =>
    tx.updateTable('agents').set(changes).where('id', '=', id).returningAll().executeTakeFirst(),
  );
  return row ?? null;
}

import type { TenantId } from '../../domain/ids.ts';
import { inTenant, type Db } from '../connection.ts';
import { brokenConstraint } from './pg-error.ts';

/** Deletes a row that tickets may name; `in_use` where they do, since then it can only be made inactive. */
export async function deleteUnlessUsed(
  db: Db,
  tenantId: TenantId,
  table: 'agents' | 'teams',
  id: string,
): Promise<'deleted' | 'missing' | 'in_use'> {
  try {
    const { numDeletedRows } = await inTenant(db, tenantId, (tx) =>
      tx.deleteFrom(table).where('id', '=', id).executeTakeFirst(),
    );
    return numDeletedRows > 0n ? 'deleted' : 'missing';
  } catch (error) {
    if (brokenConstraint(error, 'foreign_key') === null) throw error;
    return 'in_use';
  }
}

import { sql } from 'kysely';
import type { TenantId } from '../../domain/ids.ts';
import type { Tx } from '../connection.ts';

/**
 * Until the transaction ends nobody else takes in this tenant's messages: two halves of a thread never make two
 * tickets, and nothing is made for a contact that becomes another meanwhile.
 */
export async function lockIngestion(tx: Tx, tenantId: TenantId): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext('ingest'), hashtext(${tenantId}))`.execute(tx);
}

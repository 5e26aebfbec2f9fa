import { sql, type Kysely } from 'kysely';

/** What a merge of contacts moved is found in the audit trail by the contact that it moved from. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  // Of the contact itself, or of a ticket that was theirs.
  `create index audit_of_merges on audit
     (tenant_id, (coalesce(changes#>>'{contact_id,0}', changes#>>'{requester_id,0}')), at)
     where action = 'contact.merged'`,
];

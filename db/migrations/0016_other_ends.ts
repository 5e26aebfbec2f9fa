import { sql, type Kysely } from 'kysely';

/**
 * Messages and conversations are found by the customer's address as columns have it: under row-level security Postgres
 * asks no index by an expression, since what it calls might tell of other tenants' rows.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `drop index messages_without_ticket`,
  `alter table messages add column other_end text generated always as
     (lower(case direction when 'inbound' then body->>'from' else body#>>'{to,0,address}' end)) stored`,
  `create index messages_without_ticket on messages (tenant_id, other_end, timestamp) where ticket_id is null`,
  `drop index conversations_by_address`,
  `alter table conversations add column folded_address text generated always as (lower(address)) stored`,
  `create index conversations_by_address on conversations (tenant_id, folded_address)`,
];

import { sql, type Kysely } from 'kysely';

/** What vendors tell of the numbers and pages that messages leave by, and the pace at which these leave. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  // health_read_at: when it was so; health_due_at: when it is read again, null where it never was.
  `alter table channels add column health jsonb, add column health_read_at timestamptz,
     add column health_due_at timestamptz`,
  // How far ahead of the customer's pace the account is: what it has sent and could not have, had it kept to one by one.
  `alter table conversations add column paced_until timestamptz`,
  // When the account's next message may leave. Fractions of seconds: nothing is lost with them.
  `create unlogged table account_paces (
     tenant_id text not null,
     account text not null,
     next_at timestamptz not null,
     primary key (tenant_id, account)
   )`,
  `alter table account_paces enable row level security`,
  `create policy tenant_rows on account_paces
     using (tenant_id = current_setting('app.tenant', true))
     with check (tenant_id = current_setting('app.tenant', true))`,
  `grant select, insert, update, delete on account_paces to postroom_app`,
];

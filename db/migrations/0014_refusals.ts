import { sql, type Kysely } from 'kysely';

/** What a channel's vendor refuses, by what it was asked for; when a customer's name was last asked for. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `alter table channels add column refusals jsonb not null default '{}'`,
  `alter table conversations add column profile_asked_at timestamptz`,
  // As a conversation begins, the name is asked for.
  `alter table conversations alter column profile_asked_at set default now()`,
];

import { sql, type Kysely } from 'kysely';

/**
 * What channels' rules need: why a source became nothing (the journal), what ingestion decided of a message, notices
 * that share a ticket, whom an autoresponder has answered, and the channel that a door's token names.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  for (const table of ['notice_groups', 'auto_replies']) {
    await sql.raw(`alter table ${table} enable row level security`).execute(db);
    await sql
      .raw(
        `create policy tenant_rows on ${table}
           using (tenant_id = current_setting('app.tenant', true))
           with check (tenant_id = current_setting('app.tenant', true))`,
      )
      .execute(db);
    await sql.raw(`grant select, insert, update, delete on ${table} to postroom_app`).execute(db);
  }
}

const STATEMENTS = [
  `alter table sources add column filtered jsonb`,
  `create index sources_filtered on sources (tenant_id, id) where filtered is not null`,
  `alter table messages add column routing jsonb`,
  `alter table channels add column messages_filtered bigint not null default 0`,
  // key: hash of the rule and of what its pattern caught; a notice until then joins the ticket.
  `create table notice_groups (
     tenant_id text not null,
     channel_id text not null references channels,
     key bytea not null,
     ticket_id text not null references tickets,
     until timestamptz not null,
     noted_at timestamptz not null default now(),
     primary key (channel_id, key)
   )`,
  `create index notice_groups_by_age on notice_groups (tenant_id, noted_at)`,
  // recipient: hash of the address; until then it is not answered again.
  `create table auto_replies (
     tenant_id text not null,
     channel_id text not null references channels,
     recipient bytea not null,
     until timestamptz not null,
     primary key (channel_id, recipient)
   )`,
  `create index auto_replies_by_age on auto_replies (tenant_id, until)`,
  `create unique index channels_by_ingress_token on channels (ingress_token_hash)
     where ingress_token_hash is not null and deleted_at is null`,
  `create function resolve_ingress_token(wanted bytea) returns table (tenant_id text, channel_id text)
     language sql stable security definer set search_path = public, pg_temp as $$
       select c.tenant_id, c.id from channels c where c.ingress_token_hash = wanted and c.deleted_at is null $$`,
  `revoke all on function resolve_ingress_token(bytea) from public`,
  `grant execute on function resolve_ingress_token(bytea) to postroom_app`,
];

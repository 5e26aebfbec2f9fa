import { sql, type Kysely } from 'kysely';

/**
 * What stands behind a channel's account at its vendor: tokens kept by one caller at a time, what all workers together
 * may ask, the push subscription, consents under way, and what vendors say of messages before we know their ids.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  for (const table of TENANT_TABLES) {
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

const TENANT_TABLES = [
  'channel_tokens',
  'account_slots',
  'account_pauses',
  'oauth_states',
  'early_statuses',
];

const definer = (signature: string, returns: string, body: string) => [
  `create function ${signature} returns ${returns} language sql stable security definer set search_path = public, pg_temp as $$ ${body} $$`,
  `revoke all on function ${signature} from public`,
  `grant execute on function ${signature} to postroom_app`,
];

const STATEMENTS = [
  // account: the vendor's own name of it. watch: what the vendor's push subscription needs; watch_renewed_at is set
  // before it is asked for, so that one whose answer was lost is released all the same.
  `alter table channels
     add column account text,
     add column watch jsonb,
     add column watch_renewed_at timestamptz`,
  `create index channels_by_account on channels (provider, account) where account is not null and deleted_at is null`,
  // leased_until: who renews the token; the fence rises with each. failure: what the last renewal met, for those who
  // waited for it and for who comes until failed_until.
  `create table channel_tokens (
     channel_id text primary key references channels,
     tenant_id text not null,
     account text,
     access_token bytea,
     expires_at timestamptz,
     refresh_token bytea,
     fence bigint not null default 0,
     leased_until timestamptz,
     failure jsonb,
     failed_fence bigint,
     failed_until timestamptz
   )`,
  // Leases of seconds: nothing is lost with them, so they are not written ahead.
  `create unlogged table account_slots (
     tenant_id text not null,
     account text not null,
     place int not null,
     holder text not null,
     leased_until timestamptz not null,
     primary key (tenant_id, account, place)
   )`,
  `create table account_pauses (
     tenant_id text not null,
     account text not null,
     paused_until timestamptz not null,
     primary key (tenant_id, account)
   )`,
  // A consent: first the link that an admin was given, then the state that the vendor brings back; each used once.
  `create table oauth_states (
     hash bytea primary key,
     tenant_id text not null,
     channel_id text not null references channels,
     kind text not null check (kind in ('link', 'state')),
     session_hash bytea,
     verifier bytea,
     redirect_uri text,
     expires_at timestamptz not null,
     used_at timestamptz
   )`,
  // What a vendor says of a message before its receipt has been written here. message: its provider id or Message-ID.
  `create table early_statuses (
     tenant_id text not null,
     channel_id text not null references channels,
     message text not null,
     status text not null,
     recipient text not null default '',
     detail text,
     at timestamptz not null,
     created_at timestamptz not null default now(),
     primary key (channel_id, message, status, recipient)
   )`,
  `create index messages_sent_by_provider_id on messages (channel_id, provider_message_id) where provider_message_id is not null and direction = 'outbound'`,
  ...definer(
    'resolve_account(wanted_provider text, wanted_account text)',
    'table (tenant_id text, channel_id text)',
    `select tenant_id, id from channels
      where provider = wanted_provider and account = wanted_account and deleted_at is null
      order by id`,
  ),
  // Of a vendor with one door for all: whose settings may tell that a call is authentic.
  ...definer(
    'channels_of_provider(wanted_provider text, at_most int)',
    'table (tenant_id text, channel_id text)',
    `select tenant_id, id from channels
      where provider = wanted_provider and deleted_at is null and desired_state <> 'stopped'
      order by id desc limit at_most`,
  ),
  ...definer(
    'resolve_oauth_state(wanted bytea)',
    'table (tenant_id text)',
    `select tenant_id from oauth_states where hash = wanted`,
  ),
];

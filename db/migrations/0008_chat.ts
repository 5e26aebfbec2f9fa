import { sql, type Kysely } from 'kysely';

/**
 * Chat: conversations with their windows, files still to be fetched, templates of the accounts, messages set for a time,
 * and when a vendor's report is missed.
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

const TENANT_TABLES = ['conversations', 'pending_media', 'message_templates', 'scheduled_messages'];

const STATEMENTS = [
  // transmitted_at: when its transmission began, by which a vendor's "all until then" is told.
  `alter table messages add column receipt_due_at timestamptz, add column transmitted_at timestamptz`,
  // reactions: who marked it with what; kept beside the body, which a parser may make anew.
  `alter table messages add column reactions jsonb`,
  `create index messages_receipt_due on messages (tenant_id, receipt_due_at) where receipt_due_at is not null`,
  `create function tenants_missing_receipts() returns setof text
     language sql stable security definer set search_path = public, pg_temp as $$
       select distinct tenant_id from messages where receipt_due_at < now() $$`,
  `revoke all on function tenants_missing_receipts() from public`,
  `grant execute on function tenants_missing_receipts() to postroom_app`,
  // What an echo may be the echo of.
  `create index messages_open_sends on messages (channel_id) where direction = 'outbound' and status in ('queued', 'uncertain')`,
  `alter table contacts add column time_zone text`,
  // When a chat channel's templates are read from its account again; null: not yet.
  `alter table channels add column templates_due_at timestamptz`,
  // One person's talk with one channel. window_ends_at: until then free text may be sent.
  `create table conversations (
     tenant_id text not null,
     channel_id text not null references channels,
     address text not null,
     contact_id text not null references contacts,
     ticket_id text references tickets,
     last_inbound_id text,
     last_inbound_at timestamptz,
     window_ends_at timestamptz,
     opted_out_at timestamptz,
     -- when the customer last asked for silence, or took it back: a call that comes late changes nothing
     opted_at timestamptz,
     updated_at timestamptz not null default now(),
     primary key (channel_id, address)
   )`,
  `create index conversations_by_contact on conversations (contact_id)`,
  `create index conversations_by_ticket on conversations (ticket_id) where ticket_id is not null`,
  // A file that its message names and that could not be fetched yet.
  `create table pending_media (
     tenant_id text not null,
     channel_id text not null references channels,
     message_id text not null references messages,
     position int not null,
     reference jsonb not null,
     attempts int not null default 0,
     next_at timestamptz not null default now(),
     error jsonb,
     given_up boolean not null default false,
     primary key (message_id, position)
   )`,
  `create index pending_media_due on pending_media (channel_id, next_at) where not given_up`,
  `create table message_templates (
     tenant_id text not null,
     channel_id text not null references channels,
     name text not null,
     language text not null,
     definition jsonb not null,
     synced_at timestamptz not null,
     primary key (channel_id, name, language)
   )`,
  `create table scheduled_messages (
     id text primary key,
     tenant_id text not null,
     ticket_id text not null references tickets,
     channel_id text not null references channels,
     payload jsonb not null,
     send_at timestamptz not null,
     time_zone text,
     status text not null default 'scheduled' check (status in ('scheduled', 'sent', 'cancelled', 'failed')),
     message_id text,
     error jsonb,
     actor jsonb not null,
     created_at timestamptz not null default now(),
     ended_at timestamptz,
     -- Temporal has its workflow; until it has, whoever holds the lease hands it over
     started boolean not null default false,
     leased_until timestamptz not null default now() + interval '10 seconds'
   )`,
  `create index scheduled_messages_waiting on scheduled_messages (send_at) where status = 'scheduled'`,
  `create index scheduled_messages_unstarted on scheduled_messages (leased_until) where not started and status = 'scheduled'`,
  // Also what is long overdue, whatever became of its workflow: starting one that is there has no effect.
  `create function claim_scheduled_messages(at_most int, lease interval)
     returns table (tenant_id text, id text, send_at timestamptz)
     language sql volatile security definer set search_path = public, pg_temp as $$
       update scheduled_messages s
          set leased_until = now() + case when s.started then interval '5 minutes' else lease end
         from (select id from scheduled_messages
                where status = 'scheduled' and leased_until < now()
                  and (not started or send_at < now() - interval '5 minutes')
                limit at_most for update skip locked) due
        where s.id = due.id
        returning s.tenant_id, s.id, s.send_at $$`,
  `revoke all on function claim_scheduled_messages(int, interval) from public`,
  `grant execute on function claim_scheduled_messages(int, interval) to postroom_app`,
  `create index scheduled_messages_by_ticket on scheduled_messages (ticket_id)`,
  `create index scheduled_messages_by_tenant on scheduled_messages (tenant_id, id)`,
  // With the version, so that a door need not read again what has not changed; takes resolve_account's place.
  `create function channels_of_account(wanted_provider text, wanted_account text)
     returns table (tenant_id text, channel_id text, version bigint)
     language sql stable security definer set search_path = public, pg_temp as $$
       select tenant_id, id, version::bigint from channels
        where provider = wanted_provider and account = wanted_account and deleted_at is null
        order by id $$`,
  `revoke all on function channels_of_account(text, text) from public`,
  `grant execute on function channels_of_account(text, text) to postroom_app`,
];

import { sql, type Kysely } from 'kysely';

/**
 * The spine. Every tenant table carries `tenant_id` and a policy on `app.tenant`; the product works as
 * `postroom_app`, which owns nothing. The few functions that cross tenants return ids.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    do $$ begin
      if not exists (select from pg_roles where rolname = 'postroom_app') then
        create role postroom_app nologin;
      end if;
    exception when duplicate_object or unique_violation then null;
    end $$`.execute(db);
  await sql`grant postroom_app to current_user`.execute(db);
  await sql`grant usage on schema public to postroom_app`.execute(db);

  for (const statement of TABLES) await sql.raw(statement).execute(db);
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
  await sql`alter table tenants enable row level security`.execute(db);
  await sql`create policy own_row on tenants using (id = current_setting('app.tenant', true))`.execute(
    db,
  );
  await sql`grant select, update on tenants to postroom_app`.execute(db);
  await sql`grant usage on all sequences in schema public to postroom_app`.execute(db);
  for (const statement of FUNCTIONS) await sql.raw(statement).execute(db);
}

const TENANT_TABLES = [
  'api_keys',
  'channels',
  'channel_addresses',
  'channel_cursors',
  'blobs',
  'blob_chunks',
  'sources',
  'contacts',
  'contact_addresses',
  'teams',
  'agents',
  'team_members',
  'calendars',
  'sla_policies',
  'tickets',
  'ticket_participants',
  'messages',
  'attachments',
  'thread_ids',
  'events',
  'audit',
  'commands',
  'idempotency_keys',
  'outbox',
  'webhook_endpoints',
  'deliveries',
  'delivery_attempts',
];

const TABLES = [
  `create table tenants (
     id text primary key,
     name text not null unique,
     settings jsonb not null default '{}',
     next_ticket_number bigint not null default 1,
     created_at timestamptz not null default now()
   )`,
  `create table api_keys (
     id text primary key,
     tenant_id text not null references tenants,
     name text not null,
     secret_hash bytea not null,
     scopes text[] not null,
     created_at timestamptz not null default now(),
     last_used_at timestamptz,
     revoked_at timestamptz
   )`,
  // desired_state: what the admin wants; state: what the mailbox workflow says is so.
  `create table channels (
     id text primary key,
     tenant_id text not null references tenants,
     provider text not null,
     name text not null,
     address text,
     settings jsonb not null default '{}',
     secrets bytea,
     rules jsonb,
     ingress_token_hash bytea,
     desired_state text not null default 'running' check (desired_state in ('running', 'paused', 'stopped')),
     state text not null default 'stopped',
     detail text not null default '',
     last_error jsonb,
     attention_since timestamptz,
     import jsonb,
     messages_received bigint not null default 0,
     last_message_at timestamptz,
     next_sweep_at timestamptz,
     watch_expires_at timestamptz,
     sync_requested bigint not null default 0,
     version bigint not null default 1,
     created_at timestamptz not null default now(),
     updated_at timestamptz not null default now(),
     deleted_at timestamptz
   )`,
  `create index channels_by_tenant on channels (tenant_id, id) where deleted_at is null`,
  // One address leads to one channel in the whole installation.
  `create table channel_addresses (
     address text primary key,
     tenant_id text not null references tenants,
     channel_id text not null references channels
   )`,
  // A cursor moves only under its lease: the fence rises with each holder, and a stale holder's write finds no row.
  `create table channel_cursors (
     channel_id text not null references channels,
     folder text not null default '',
     tenant_id text not null,
     cursor jsonb,
     fence bigint not null default 0,
     leased_until timestamptz,
     primary key (channel_id, folder)
   )`,
  // The bytes of sources and attachments, once per tenant and content.
  `create table blobs (
     tenant_id text not null,
     sha256 bytea not null,
     size bigint not null,
     complete boolean not null default false,
     created_at timestamptz not null default now(),
     primary key (tenant_id, sha256)
   )`,
  `create table blob_chunks (
     tenant_id text not null,
     sha256 bytea not null,
     seq int not null,
     bytes bytea not null,
     primary key (tenant_id, sha256, seq),
     foreign key (tenant_id, sha256) references blobs on delete cascade
   )`,
  `alter table blob_chunks alter column bytes set storage external`,
  // One row per receipt. received: the sender was told yes and nothing has parsed it yet.
  `create table sources (
     id text primary key,
     tenant_id text not null,
     channel_id text not null references channels,
     provider_message_id text,
     sha256 bytea not null,
     size bigint not null,
     status text not null default 'staged' check (status in ('staged', 'ingested', 'duplicate', 'set_aside', 'filtered')),
     envelope jsonb,
     meta jsonb,
     received_at timestamptz not null,
     attempts int not null default 0,
     error jsonb,
     message_id text,
     ingested_at timestamptz,
     foreign key (tenant_id, sha256) references blobs
   )`,
  `create unique index sources_by_provider_id on sources (channel_id, provider_message_id) where provider_message_id is not null`,
  `create index sources_staged on sources (channel_id, id) where status = 'staged'`,
  `create index sources_set_aside on sources (tenant_id, id) where status = 'set_aside'`,
  `create table contacts (
     id text primary key,
     tenant_id text not null,
     name text,
     undeliverable text[] not null default '{}',
     created_at timestamptz not null default now()
   )`,
  `create table contact_addresses (
     tenant_id text not null,
     address text not null,
     contact_id text not null references contacts,
     primary key (tenant_id, address)
   )`,
  `create index contact_addresses_by_contact on contact_addresses (contact_id)`,
  `create table teams (
     id text primary key,
     tenant_id text not null,
     name text not null,
     addresses text[] not null default '{}',
     is_active boolean not null default true,
     created_at timestamptz not null default now(),
     unique (tenant_id, name)
   )`,
  `create table agents (
     id text primary key,
     tenant_id text not null,
     name text not null,
     addresses text[] not null default '{}',
     role text not null default 'agent' check (role in ('agent', 'admin')),
     is_active boolean not null default true,
     created_at timestamptz not null default now()
   )`,
  `create table team_members (
     tenant_id text not null,
     team_id text not null references teams on delete cascade,
     agent_id text not null references agents on delete cascade,
     primary key (team_id, agent_id)
   )`,
  `create table calendars (
     id text primary key,
     tenant_id text not null,
     definition jsonb not null,
     created_at timestamptz not null default now(),
     updated_at timestamptz not null default now()
   )`,
  `create table sla_policies (
     id text primary key,
     tenant_id text not null,
     position int not null default 0,
     is_active boolean not null default true,
     definition jsonb not null,
     created_at timestamptz not null default now(),
     updated_at timestamptz not null default now()
   )`,
  `create table tickets (
     id text primary key,
     tenant_id text not null,
     number bigint not null,
     subject text not null default '',
     status text not null default 'open' check (status in ('open', 'pending', 'on_hold', 'resolved', 'closed', 'spam')),
     priority text not null default 'normal' check (priority in ('low', 'normal', 'high', 'urgent')),
     channel text not null,
     account_id text not null references channels,
     requester_id text not null references contacts,
     assignee_id text references agents,
     team_id text references teams,
     tags text[] not null default '{}',
     custom_fields jsonb not null default '{}',
     sla jsonb,
     muted boolean not null default false,
     message_count int not null default 0,
     sequence bigint not null default 0,
     version bigint not null default 1,
     follow_up_of text references tickets,
     created_at timestamptz not null default now(),
     updated_at timestamptz not null default now(),
     resolved_at timestamptz,
     closed_at timestamptz,
     search tsvector not null default ''::tsvector,
     unique (tenant_id, number)
   )`,
  `create index tickets_by_update on tickets (tenant_id, updated_at desc, id desc)`,
  `create index tickets_by_status on tickets (tenant_id, status, id desc)`,
  `create index tickets_by_requester on tickets (tenant_id, requester_id)`,
  `create index tickets_by_predecessor on tickets (follow_up_of) where follow_up_of is not null`,
  `create index tickets_search on tickets using gin (search)`,
  `create table ticket_participants (
     tenant_id text not null,
     ticket_id text not null references tickets,
     contact_id text not null references contacts,
     primary key (ticket_id, contact_id)
   )`,
  // body: the normalized message without ids, as the API shows it; the columns beside it are what is searched or joined.
  `create table messages (
     id text primary key,
     tenant_id text not null,
     ticket_id text references tickets,
     channel_id text not null references channels,
     source_id text references sources,
     direction text not null check (direction in ('inbound', 'outbound', 'internal')),
     kind text not null default 'message',
     status text not null,
     provider_message_id text,
     message_id text,
     content_hash bytea,
     author_id text,
     body jsonb not null,
     timestamp timestamptz not null,
     received_at timestamptz not null default now(),
     send_phase text check (send_phase in ('claimed', 'transmitting', 'done')),
     send_fence bigint not null default 0,
     send_attempts int not null default 0,
     send_by timestamptz,
     error jsonb
   )`,
  `create unique index messages_by_provider_id on messages (channel_id, provider_message_id) where provider_message_id is not null and direction = 'inbound'`,
  `create unique index messages_by_content on messages (channel_id, message_id, content_hash) nulls not distinct where direction = 'inbound'`,
  `create index messages_by_ticket on messages (ticket_id, timestamp, id)`,
  `create index messages_by_tenant on messages (tenant_id, id)`,
  `create index messages_by_message_id on messages (tenant_id, message_id) where message_id is not null`,
  `create index messages_queued on messages (ticket_id) where status in ('queued') and direction = 'outbound'`,
  `create table attachments (
     id text primary key,
     tenant_id text not null,
     message_id text references messages,
     position int not null default 0,
     filename text,
     content_type text not null,
     size bigint not null,
     sha256 bytea not null,
     inline boolean not null default false,
     content_id text,
     created_at timestamptz not null default now(),
     foreign key (tenant_id, sha256) references blobs
   )`,
  `create index attachments_by_message on attachments (message_id)`,
  // Every Message-ID a ticket's mails carry or cite: one query threads a batch.
  `create table thread_ids (
     tenant_id text not null,
     message_id text not null,
     ticket_id text not null references tickets,
     cited boolean not null default false,
     primary key (tenant_id, message_id)
   )`,
  // xid orders what is shown: a row is shown once every older transaction has ended, so a cursor skips nothing.
  `create table events (
     id text primary key,
     tenant_id text not null,
     type text not null,
     ticket_id text,
     sequence bigint,
     data jsonb not null,
     timestamp timestamptz not null default now(),
     xid xid8 not null default pg_current_xact_id(),
     position bigint generated always as identity
   )`,
  `create unique index events_in_order on events (tenant_id, xid, position)`,
  `create unique index events_by_sequence on events (ticket_id, sequence) where ticket_id is not null`,
  `create table audit (
     id text primary key,
     tenant_id text not null,
     ticket_id text,
     actor jsonb not null,
     action text not null,
     reason text,
     changes jsonb not null default '{}',
     at timestamptz not null default now()
   )`,
  `create index audit_by_ticket on audit (ticket_id, id)`,
  `create table commands (
     id text primary key,
     tenant_id text not null,
     ticket_id text not null references tickets,
     kind text not null,
     actor jsonb not null,
     idempotency_key text,
     if_version bigint,
     payload jsonb not null,
     result jsonb,
     created_at timestamptz not null default now(),
     applied_at timestamptz
   )`,
  `create unique index commands_by_key on commands (tenant_id, idempotency_key) where idempotency_key is not null`,
  `create table idempotency_keys (
     tenant_id text not null,
     key text not null,
     fingerprint bytea not null,
     status int,
     body jsonb,
     created_at timestamptz not null default now(),
     locked_until timestamptz,
     primary key (tenant_id, key)
   )`,
  // What must still reach Temporal. The writer inserts it already leased to itself and deletes it once Temporal
  // has accepted; what a crash leaves is claimed after the lease. version: a later cause is not lost by an earlier delete.
  `create table outbox (
     tenant_id text not null,
     kind text not null check (kind in ('channel', 'ticket_start', 'ticket_wake')),
     ref text not null,
     detail jsonb,
     version bigint not null default 1,
     leased_until timestamptz not null,
     attempts int not null default 0,
     created_at timestamptz not null default now(),
     primary key (tenant_id, kind, ref)
   )`,
  `create index outbox_due on outbox (leased_until)`,
  `create table webhook_endpoints (
     id text primary key,
     tenant_id text not null,
     url text not null,
     events text[] not null,
     secret bytea not null,
     description text not null default '',
     headers bytea,
     timeout_seconds int not null default 30,
     max_retries int not null default 3,
     verify_ssl boolean not null default true,
     is_active boolean not null default true,
     delivery_mode text not null default 'auto' check (delivery_mode in ('auto', 'workflow', 'stream')),
     created_at timestamptz not null default now(),
     deleted_at timestamptz
   )`,
  `create index webhook_endpoints_by_tenant on webhook_endpoints (tenant_id) where deleted_at is null`,
  `create table deliveries (
     id text primary key,
     tenant_id text not null,
     event_id text not null references events,
     endpoint_id text not null references webhook_endpoints,
     type text not null,
     status text not null default 'pending' check (status in ('pending', 'delivered', 'failed')),
     budget int not null,
     attempt_count int not null default 0,
     run int not null default 1,
     next_attempt_at timestamptz,
     started boolean not null default false,
     leased_until timestamptz not null default now(),
     created_at timestamptz not null default now(),
     finished_at timestamptz,
     unique (event_id, endpoint_id)
   )`,
  // leased_until: past it, nobody is at work on a pending delivery, and the drain takes it (up) again.
  `create index deliveries_left on deliveries (leased_until) where status = 'pending'`,
  `create index deliveries_by_endpoint on deliveries (endpoint_id, id desc)`,
  `create table delivery_attempts (
     tenant_id text not null,
     delivery_id text not null references deliveries,
     run int not null,
     number int not null,
     at timestamptz not null,
     status_code int,
     duration_ms int not null,
     error text,
     response_start text,
     primary key (delivery_id, run, number)
   )`,
];

const definer = (signature: string, returns: string, body: string, volatility = 'stable') => [
  `create function ${signature} returns ${returns} language sql ${volatility} security definer set search_path = public, pg_temp as $$ ${body} $$`,
  `revoke all on function ${signature.replace(/ default [^,)]+/g, '')} from public`,
  `grant execute on function ${signature.replace(/ default [^,)]+/g, '')} to postroom_app`,
];

const FUNCTIONS = [
  ...definer(
    'resolve_api_key(key_id text)',
    'table (tenant_id text, secret_hash bytea, scopes text[])',
    `select tenant_id, secret_hash, scopes from api_keys where id = key_id and revoked_at is null`,
  ),
  ...definer(
    'resolve_address(wanted text)',
    'table (tenant_id text, channel_id text)',
    `select a.tenant_id, a.channel_id from channel_addresses a where a.address = wanted`,
  ),
  ...definer(
    'resolve_channel(wanted text)',
    'table (tenant_id text)',
    `select tenant_id from channels where id = wanted and deleted_at is null`,
  ),
  ...definer(
    'resolve_tenant(wanted text)',
    'table (tenant_id text)',
    `select id from tenants where name = wanted`,
  ),
  ...definer('tenant_ids()', 'setof text', `select id from tenants`),
  ...definer(
    'create_tenant(new_id text, new_name text)',
    'text',
    `insert into tenants (id, name) values (new_id, new_name)
       on conflict (name) do update set name = excluded.name returning id`,
    'volatile',
  ),
  ...definer(
    'claim_outbox(at_most int, lease interval)',
    'table (tenant_id text, kind text, ref text)',
    `update outbox o set leased_until = now() + lease, attempts = attempts + 1
       from (select tenant_id, kind, ref from outbox where leased_until < now()
             order by leased_until limit at_most for update skip locked) due
      where (o.tenant_id, o.kind, o.ref) = (due.tenant_id, due.kind, due.ref)
      returning o.tenant_id, o.kind, o.ref`,
    'volatile',
  ),
  ...definer(
    'claim_deliveries(at_most int, lease interval)',
    'table (tenant_id text, delivery_id text)',
    `update deliveries d set leased_until = now() + lease
       from (select id from deliveries where status = 'pending' and leased_until < now()
             order by leased_until limit at_most for update skip locked) due
      where d.id = due.id
      returning d.tenant_id, d.id`,
    'volatile',
  ),
  ...definer(
    'channels_with_staged_sources()',
    'table (tenant_id text, channel_id text)',
    `select distinct s.tenant_id, s.channel_id from sources s join channels c on c.id = s.channel_id
      where s.status = 'staged' and c.desired_state = 'running' and c.deleted_at is null`,
  ),
  ...definer(
    'running_channels()',
    'table (tenant_id text, channel_id text)',
    `select tenant_id, id from channels where desired_state <> 'stopped' and deleted_at is null`,
  ),
];

import { sql, type Kysely } from 'kysely';

/** What vendors report of our messages is kept before it is applied: their calls wait for no ticket's lock. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  // leased_until: until then it is applied by who stored it, or by who took it over; error: what the last try met.
  `create table status_reports (
     id uuid primary key,
     tenant_id text not null,
     channel_id text not null references channels,
     statuses jsonb not null,
     received_at timestamptz not null default now(),
     leased_until timestamptz not null default now() + interval '30 seconds',
     attempts int not null default 0,
     error text
   )`,
  `create index status_reports_due on status_reports (leased_until)`,
  `alter table status_reports enable row level security`,
  `create policy tenant_rows on status_reports
     using (tenant_id = current_setting('app.tenant', true))
     with check (tenant_id = current_setting('app.tenant', true))`,
  `grant select, insert, update, delete on status_reports to postroom_app`,
  // Why, as failures are called.
  `alter table early_statuses add column code text`,
  `create function claim_status_reports(at_most int, lease interval)
     returns table (tenant_id text, channel_id text, id uuid)
     language sql volatile security definer set search_path = public, pg_temp as $$
       update status_reports r set leased_until = now() + lease, attempts = attempts + 1
         from (select id from status_reports where leased_until < now()
               order by leased_until limit at_most for update skip locked) due
        where r.id = due.id
       returning r.tenant_id, r.channel_id, r.id $$`,
  `revoke all on function claim_status_reports(int, interval) from public`,
  `grant execute on function claim_status_reports(int, interval) to postroom_app`,
];

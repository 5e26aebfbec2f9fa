import { sql, type Kysely } from 'kysely';

/**
 * What reading mail needs: the version of the parser that made each message, so that stored sources can be read again
 * by a newer one; and how much each sender said in an hour, to tell a loop.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table messages add column parser_version int`.execute(db);
  // sender: hash of an address, or of an address with a subject; two hours are kept.
  await sql`create table sender_hours (
    tenant_id text not null,
    hour timestamptz not null,
    sender bytea not null,
    messages int not null,
    primary key (tenant_id, hour, sender)
  )`.execute(db);
  await sql`alter table sender_hours enable row level security`.execute(db);
  await sql`create policy tenant_rows on sender_hours
    using (tenant_id = current_setting('app.tenant', true))
    with check (tenant_id = current_setting('app.tenant', true))`.execute(db);
  await sql`grant select, insert, update, delete on sender_hours to postroom_app`.execute(db);
}

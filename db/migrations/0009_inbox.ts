import { sql, type Kysely } from 'kysely';

/**
 * One inbox over all channels, and one contact for all addresses of a person: lists in time order, since when a channel
 * is in trouble, contacts that became another, and the links by which a person says so.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  // The inbox pages by time, over all channels or by one. Lists by id alone there are none any more.
  `create index messages_by_time on messages (tenant_id, timestamp, id)`,
  `create index messages_by_channel on messages (channel_id, timestamp, id)`,
  `drop index messages_by_tenant`,
  // Few rows each: what went wrong, and what belongs to no ticket by the customer's address.
  `create index messages_in_trouble on messages (tenant_id, timestamp, id)
     where status in ('failed', 'bounced', 'complained', 'uncertain')`,
  `create index messages_without_ticket on messages
     (tenant_id, (lower(case direction when 'inbound' then body->>'from' else body#>>'{to,0,address}' end)))
     where ticket_id is null`,
  // trouble_since: when it began to back off or to need attention; cleared when it watches again.
  // sync_answered: the latest of sync_requested that a sync has been made for, from its beginning to its end.
  `alter table channels add column trouble_since timestamptz, add column sync_answered bigint not null default 0`,
  `create index ticket_participants_by_contact on ticket_participants (contact_id)`,
  `create index conversations_by_address on conversations (tenant_id, lower(address))`,
  // The contact that it is one person with: an id that callers still hold leads there.
  `alter table contacts add column merged_into text references contacts, add column merged_at timestamptz`,
  `create index contacts_merged on contacts (merged_into) where merged_into is not null`,
  // A link that was sent to an address of one contact: opening and confirming it makes them one.
  `create table contact_links (
     id text primary key,
     tenant_id text not null,
     contact_id text not null references contacts,
     other_id text not null references contacts,
     address text not null,
     shown_address text not null,
     actor jsonb not null,
     created_at timestamptz not null default now(),
     expires_at timestamptz not null,
     used_at timestamptz
   )`,
  `create index contact_links_by_age on contact_links (tenant_id, expires_at)`,
  `alter table contact_links enable row level security`,
  `create policy tenant_rows on contact_links
     using (tenant_id = current_setting('app.tenant', true))
     with check (tenant_id = current_setting('app.tenant', true))`,
  `grant select, insert, update, delete on contact_links to postroom_app`,
];

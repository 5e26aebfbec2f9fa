import { sql, type Kysely } from 'kysely';

/**
 * What watching needs: when a source was staged, the trace that a row came from, and the backlog over all tenants as
 * plain numbers. The trace comes from the transaction's own setting, so that no statement has to name it.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table sources add column staged_at timestamptz not null default now()`.execute(
    db,
  );
  for (const table of ['sources', 'commands', 'messages', 'deliveries'])
    await sql
      .raw(
        `alter table ${table} add column traceparent text
           default nullif(current_setting('app.traceparent', true), '')`,
      )
      .execute(db);
  for (const statement of FUNCTIONS) await sql.raw(statement).execute(db);
}

const definer = (signature: string, returns: string, body: string) => [
  `create function ${signature} returns ${returns} language sql stable security definer set search_path = public, pg_temp as $$ ${body} $$`,
  `revoke all on function ${signature} from public`,
  `grant execute on function ${signature} to postroom_app`,
];

const age = (column: string) => `coalesce(extract(epoch from now() - min(${column})), 0)::float8`;

const FUNCTIONS = [
  // Ages in seconds. What is staged for a paused channel waits by intent: it counts, but has no age.
  ...definer(
    'backlog()',
    `table (staged bigint, staged_age float8, set_aside bigint, outbox bigint, outbox_age float8,
            deliveries bigint, deliveries_overdue bigint, deliveries_age float8, answers bigint)`,
    `select
       (select count(*) from sources where status = 'staged'),
       (select ${age('s.staged_at')} from sources s join channels c on c.id = s.channel_id
         where s.status = 'staged' and c.desired_state = 'running' and c.deleted_at is null),
       (select count(*) from sources where status = 'set_aside'),
       (select count(*) from outbox),
       (select ${age('created_at')} from outbox),
       (select count(*) from deliveries where status = 'pending'),
       (select count(*) from deliveries where status = 'pending' and leased_until < now()),
       (select ${age('leased_until')} from deliveries where status = 'pending' and leased_until < now()),
       (select count(*) from messages where status = 'queued' and direction = 'outbound')`,
  ),
  ...definer(
    'channel_states()',
    'table (state text, channels bigint)',
    `select state, count(*) from channels where deleted_at is null group by state`,
  ),
];

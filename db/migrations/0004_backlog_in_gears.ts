import { sql, type Kysely } from 'kysely';

const age = (column: string) => `coalesce(extract(epoch from now() - min(${column})), 0)::float8`;

/** Deliveries of an endpoint that the dispatcher has paused wait by intent: they are no backlog that somebody has left. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(
      `create or replace function backlog()
       returns table (staged bigint, staged_age float8, set_aside bigint, outbox bigint, outbox_age float8,
                      deliveries bigint, deliveries_overdue bigint, deliveries_age float8, answers bigint)
       language sql stable security definer set search_path = public, pg_temp as $$
         with overdue as (
           select d.leased_until from deliveries d join webhook_endpoints e on e.id = d.endpoint_id
            where d.status = 'pending' and d.leased_until < now()
              and (not d.streamed or e.paused_until is null or e.paused_until < now())
         )
         select
           (select count(*) from sources where status = 'staged'),
           (select ${age('s.staged_at')} from sources s join channels c on c.id = s.channel_id
             where s.status = 'staged' and c.desired_state = 'running' and c.deleted_at is null),
           (select count(*) from sources where status = 'set_aside'),
           (select count(*) from outbox),
           (select ${age('created_at')} from outbox),
           (select count(*) from deliveries where status = 'pending'),
           (select count(*) from overdue),
           (select ${age('leased_until')} from overdue),
           (select count(*) from messages where status = 'queued' and direction = 'outbound') $$`,
    )
    .execute(db);
}

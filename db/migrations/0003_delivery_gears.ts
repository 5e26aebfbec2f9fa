import { sql, type Kysely } from 'kysely';

/**
 * Deliveries in two gears. `deliveries.streamed`: the dispatcher makes the first attempt; no workflow knows of it yet.
 * `webhook_endpoints.gear` is what an `auto` endpoint is in, switched by the dispatcher alone; while `paused_until` lies
 * ahead its streamed rows wait.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const CLAIM = 'claim_streamed(endpoints text[], rooms int[], other_room int, lease interval)';

const STATEMENTS = [
  `alter table webhook_endpoints
     add column gear text not null default 'workflow' check (gear in ('workflow', 'stream')),
     add column paused_until timestamptz,
     add column failures_in_row int not null default 0`,
  `alter table deliveries add column streamed boolean not null default false`,
  // The drain leaves streamed rows to the dispatcher, however long they wait.
  `drop index deliveries_left`,
  `create index deliveries_left on deliveries (leased_until) where status = 'pending' and not streamed`,
  `create index deliveries_waiting on deliveries (streamed, endpoint_id, id) where status = 'pending'`,
  `create or replace function claim_deliveries(at_most int, lease interval)
     returns table (tenant_id text, delivery_id text)
     language sql volatile security definer set search_path = public, pg_temp as $$
       update deliveries d set leased_until = now() + lease
         from (select id from deliveries where status = 'pending' and not streamed and leased_until < now()
               order by leased_until limit at_most for update skip locked) due
        where d.id = due.id
       returning d.tenant_id, d.id $$`,
  // Fair: from each endpoint with rows waiting (found by hopping along the index) as many as there is room for. An
  // endpoint that failed to the last gives one, until it answers again.
  `create function ${CLAIM}
     returns table (tenant_id text, delivery_id text, endpoint_id text)
     language sql volatile security definer set search_path = public, pg_temp as $$
       with recursive waiting(endpoint) as (
         (select d.endpoint_id from deliveries d where d.status = 'pending' and d.streamed
           order by d.endpoint_id limit 1)
         union all
         select (select d.endpoint_id from deliveries d
                  where d.status = 'pending' and d.streamed and d.endpoint_id > w.endpoint
                  order by d.endpoint_id limit 1)
           from waiting w where w.endpoint is not null
       ), due as (
         select row.id
           from waiting w
           join webhook_endpoints e on e.id = w.endpoint and (e.paused_until is null or e.paused_until <= now())
           left join unnest(endpoints, rooms) as known(endpoint, room) on known.endpoint = w.endpoint
           cross join lateral (
             select d.id from deliveries d
              where d.status = 'pending' and d.streamed and d.endpoint_id = w.endpoint
                and d.leased_until <= now()
              order by d.id
              limit coalesce(known.room, case when e.paused_until is null then other_room else 1 end)
              for update skip locked
           ) row
       )
       update deliveries d set leased_until = now() + lease from due where d.id = due.id
       returning d.tenant_id, d.id, d.endpoint_id $$`,
  `revoke all on function ${CLAIM} from public`,
  `grant execute on function ${CLAIM} to postroom_app`,
];

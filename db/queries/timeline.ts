import { sql } from 'kysely';
import type { EventType } from '../../domain/events.ts';
import type { TenantId } from '../../domain/ids.ts';
import type { Message } from '../../domain/message.ts';
import { inTenant, type Db } from '../connection.ts';
import type { Actor } from '../schema.ts';
import { MESSAGE_COLUMNS, presentMessages } from './messages.ts';

export type TimelineEntry = { readonly id: string; readonly at: string } & (
  | { readonly type: 'message'; readonly message: Message }
  | {
      readonly type: 'change';
      readonly action: string;
      readonly actor: Actor;
      readonly reason: string | null;
      readonly changes: Record<string, [unknown, unknown]>;
    }
  | {
      readonly type: 'event';
      readonly event: {
        type: EventType;
        sequence: number | null;
        /** Of the message that it is about. */
        message_id: string | null;
      };
    }
);

/** Everything that happened on a ticket, oldest first: messages and notes, changes with who and why, events. */
export async function listTimeline(
  db: Db,
  tenantId: TenantId,
  ticketId: string,
  page: { after: readonly [string, string] | null; limit: number },
): Promise<TimelineEntry[]> {
  return inTenant(db, tenantId, async (tx) => {
    const { rows } = await sql<{ id: string; at: Date }>`
      select id, at from (
        select id, date_trunc('milliseconds', received_at) as at from messages where ticket_id = ${ticketId}
        union all select id, date_trunc('milliseconds', at) from audit where ticket_id = ${ticketId}
        union all select id, date_trunc('milliseconds', timestamp) from events where ticket_id = ${ticketId}
      ) entries
      where ${page.after === null} or (at, id) > (${page.after?.[0] ?? null}::timestamptz, ${page.after?.[1] ?? null}::text)
      order by at, id limit ${page.limit}`.execute(tx);
    const ids = rows.map((row) => row.id);
    if (ids.length === 0) return [];
    const messages = await presentMessages(
      tx,
      await tx.selectFrom('messages').select(MESSAGE_COLUMNS).where('id', 'in', ids).execute(),
    );
    const changes = await tx
      .selectFrom('audit')
      .select(['id', 'actor', 'action', 'reason', 'changes'])
      .where('id', 'in', ids)
      .execute();
    const events = await tx
      .selectFrom('events')
      .select(['id', 'type', 'sequence'])
      .select(sql<string | null>`data #>> '{message,id}'`.as('message_id'))
      .where('id', 'in', ids)
      .execute();
    const content = new Map<string, object>([
      ...messages.map((message) => [message.id, { type: 'message', message }] as const),
      ...changes.map(({ id, ...change }) => [id, { type: 'change', ...change }] as const),
      ...events.map(({ id, ...event }) => [id, { type: 'event', event }] as const),
    ]);
    return rows.map(
      ({ id, at }) => ({ id, at: at.toISOString(), ...content.get(id) }) as TimelineEntry,
    );
  });
}

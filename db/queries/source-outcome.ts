import type { SourceId, TenantId } from '../../domain/ids.ts';
import { inTenant, type Db } from '../connection.ts';
import type { Routing } from './routing.ts';

/** Where a source stands; the same however often it is asked, once it is settled. */
export type SourceStanding =
  | { readonly status: 'staged' | 'filtered' | 'set_aside' }
  | {
      readonly status: 'ingested';
      readonly messageId: string;
      readonly ticket: { readonly id: string; readonly number: number } | null;
      readonly effect: Routing['effect'];
    };

/** What became of a source: of a duplicate, what became of the message it repeats. */
export async function sourceStanding(
  db: Db,
  tenantId: TenantId,
  sourceId: SourceId,
): Promise<SourceStanding> {
  const row = await inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('sources')
      .leftJoin('messages', 'messages.id', 'sources.message_id')
      .leftJoin('tickets', 'tickets.id', 'messages.ticket_id')
      .select(['sources.status', 'messages.id as message_id', 'messages.routing'])
      .select(['tickets.id as ticket_id', 'tickets.number'])
      .where('sources.id', '=', sourceId)
      .executeTakeFirstOrThrow(),
  );
  const { status, message_id: messageId, ticket_id: id, number } = row;
  if (status === 'staged' || status === 'filtered' || status === 'set_aside') return { status };
  const routing = row.routing as Routing | null; // routingOf wrote it
  return {
    status: 'ingested',
    messageId: messageId!,
    ticket: id === null || number === null ? null : { id, number },
    effect: routing?.effect ?? 'join',
  };
}

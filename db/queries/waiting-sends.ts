import { sql } from 'kysely';
import type { TenantId } from '../../domain/ids.ts';
import { inTenant, type Db } from '../connection.ts';

/** Messages that wait for the same reason. */
export interface WaitingSends {
  readonly code: string;
  /** The reason in plain words, as the latest of them was told it. */
  readonly detail: string;
  readonly messages: number;
}

/** What a channel could not send yet and tries again, by the reason that it was given; the most frequent first. */
export async function waitingSends(
  db: Db,
  tenantId: TenantId,
  channelId: string,
): Promise<WaitingSends[]> {
  return inTenant(db, tenantId, async (tx) => {
    const { rows } = await sql<WaitingSends>`
      select error->>'code' as code, count(*)::int as messages,
             (array_agg(error->>'detail' order by id desc))[1] as detail
        from messages
       where channel_id = ${channelId} and direction = 'outbound' and status = 'queued'
         and error->>'code' is not null
       group by 1 order by messages desc, code limit 20`.execute(tx);
    return rows;
  });
}

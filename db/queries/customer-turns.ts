import { sql } from 'kysely';
import type { Conversation } from '../../domain/chat-answer.ts';
import type { SendingPace } from '../../providers/contract.ts';
import type { Tx } from '../connection.ts';
import { partyAt } from './chat-outgoing.ts';

export interface CustomerTurn {
  /** How things stand with the customer; null where there is no conversation with them. */
  readonly party: Conversation | null;
  /** Milliseconds until they may be sent the next message; 0: the turn is taken. */
  readonly waitMs: number;
}

/**
 * The turn to send a customer something: as many at once as the vendor lets pass, which are made up for at its pace. It
 * is taken where the conversation is read, so that it costs no statement of its own.
 */
export async function customerTurn(
  tx: Tx,
  channelId: string,
  address: string,
  pace: SendingPace['perCustomer'],
): Promise<CustomerTurn> {
  if (!pace) return { party: await partyAt(tx, channelId, address), waitMs: 0 };
  const { everyMs, burst } = pace;
  const { rows } = await sql<Conversation & { waitMs: number }>`
    update conversations c
       set paced_until = case when before.wait_ms > 0 then c.paced_until
                              else before.until + ${everyMs} * interval '1 millisecond' end
      from (select until, extract(epoch from until - now())::float8 * 1000 - ${(burst - 1) * everyMs}::float8 as wait_ms
              from (select greatest(paced_until, now()) as until from conversations
                     where channel_id = ${channelId} and address = ${address} for update) as locked) as before
     where c.channel_id = ${channelId} and c.address = ${address}
    returning c.address, c.window_ends_at as "windowEndsAt", c.last_inbound_at as "lastInboundAt",
              c.opted_out_at as "optedOutAt", ceil(greatest(0, before.wait_ms))::int as "waitMs"`.execute(
    tx,
  );
  const [row] = rows;
  if (!row) return { party: null, waitMs: 0 };
  const { waitMs, ...party } = row;
  return { party, waitMs };
}

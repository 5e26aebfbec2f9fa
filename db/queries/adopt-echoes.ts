import { sql } from 'kysely';
import type { ChatIndex } from './chat-index.ts';
import type { IngestContext } from './ingest-context.ts';
import type { Placed } from './ingest-item.ts';
import { attachLoose } from './loose-messages.ts';
import { changeTickets, type TicketChange } from './ticket-changes.ts';
import { lockTickets, mustWake, wakeOf } from './tickets.ts';

interface Adopted {
  readonly id: string;
  readonly ticket_id: string;
  readonly content: string;
  readonly kind: string;
  readonly address: string;
  readonly timestamp: Date;
}

/**
 * Calls overtake each other: what was sent beside us in answer to a message may be here before it, without a ticket.
 * As the message begins one, the answer goes there.
 */
export async function adoptEchoes(
  { tx, pending, channel, rules, now }: IngestContext,
  placed: readonly Placed[],
  chats: ChatIndex,
): Promise<void> {
  const begun = placed.filter(({ item, effect }) => item.chat && effect === 'create');
  if (begun.length === 0) return;
  const wanted = begun.map(({ item, ticketId }) => ({
    address: item.chat!.party.address,
    ticket_id: ticketId,
    since: item.mail.message.timestamp,
  }));
  const { rows: adopted } = await sql<Adopted>`
    select m.id, d.ticket_id, m.body->>'content' as content, m.kind, d.address, m.timestamp
      from messages m
      join jsonb_to_recordset(${JSON.stringify(wanted)}::jsonb) as d(address text, ticket_id text, since timestamptz)
        on m.other_end = lower(d.address)
     where m.tenant_id = ${channel.tenantId} and m.ticket_id is null
       and m.channel_id = ${channel.id} and m.direction = 'outbound' and m.timestamp >= d.since
     order by m.timestamp, m.id
       for update of m`.execute(tx);
  if (adopted.length === 0) return;
  const byTicket = Map.groupBy(adopted, (row) => row.ticket_id);
  const tickets = await lockTickets(tx, [...byTicket.keys()]);
  const changes: TicketChange[] = [];
  for (const [ticketId, group] of byTicket) {
    const answers = group.some(({ kind, address, timestamp }) => {
      const last = chats.lastInbound(address);
      return kind === 'message' && (last === null || timestamp >= last);
    });
    changes.push({
      ticket: tickets.get(ticketId)!,
      said: {
        by: answers ? 'agent' : 'nobody',
        messages: group.length,
        text: group.map(({ content }) => content).join('\n'),
      },
      action: 'message.sent',
      // That they were sent was told when they came.
      events: await attachLoose(tx, ticketId, group),
    });
  }
  const actor = { type: 'ingestion', id: channel.id } as const;
  const reason = 'sent beside us';
  const rows = await changeTickets({ tx, pending, rules, actor, reason, now }, changes);
  const woken = rows.filter((row, at) => mustWake(changes[at]!.ticket, row));
  await pending.wakeTickets(tx, woken.map(wakeOf));
}

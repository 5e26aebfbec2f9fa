import type { Contact, Ticket } from '../../domain/ticket.ts';
import { presentSla } from '../../domain/sla/present.ts';
import type { Tx } from '../connection.ts';
import { TICKET_COLUMNS, type TicketRow } from './tickets.ts';

/** Tickets by id as the API shows them; `workflow_url` is left for the API to fill. */
export async function presentTicket(tx: Tx, ids: readonly string[]): Promise<Ticket[]> {
  if (ids.length === 0) return [];
  const rows = await tx
    .selectFrom('tickets')
    .select(TICKET_COLUMNS)
    .where('id', 'in', [...ids])
    .execute();
  const shown = await presentTickets(tx, rows as TicketRow[]);
  const byId = new Map(shown.map((ticket) => [ticket.id, ticket]));
  return ids.flatMap((id) => byId.get(id) ?? []);
}

/** The API's form of rows that the caller has read or just written. */
export async function presentTickets(tx: Tx, rows: readonly TicketRow[]): Promise<Ticket[]> {
  if (rows.length === 0) return [];
  const links = await tx
    .selectFrom('ticket_participants')
    .select(['ticket_id', 'contact_id'])
    .where(
      'ticket_id',
      'in',
      rows.map((row) => row.id),
    )
    .orderBy('contact_id')
    .execute();
  const participants = Map.groupBy(links, (link) => link.ticket_id);
  const contacts = await loadContacts(tx, [
    ...rows.map((row) => row.requester_id),
    ...links.map((link) => link.contact_id),
  ]);
  return rows.map((row) => ({
    id: row.id,
    number: row.number,
    subject: row.subject,
    status: row.status,
    priority: row.priority,
    channel: row.channel,
    account_id: row.account_id,
    requester: contacts.get(row.requester_id)!,
    participants: (participants.get(row.id) ?? []).map(({ contact_id }) =>
      contacts.get(contact_id)!,
    ),
    assignee_id: row.assignee_id,
    team_id: row.team_id,
    tags: row.tags,
    custom_fields: row.custom_fields,
    sla: row.sla && presentSla(row.sla),
    muted: row.muted,
    message_count: row.message_count,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
    resolved_at: row.resolved_at?.toISOString() ?? null,
    closed_at: row.closed_at?.toISOString() ?? null,
    follow_up_of: row.follow_up_of,
    version: row.version,
    workflow_url: null,
  }));
}

/** Contacts by id, with all their addresses. */
export async function loadContacts(tx: Tx, ids: readonly string[]): Promise<Map<string, Contact>> {
  const wanted = [...new Set(ids)];
  if (wanted.length === 0) return new Map();
  const rows = await tx
    .selectFrom('contacts')
    .leftJoin('contact_addresses', 'contact_addresses.contact_id', 'contacts.id')
    .select(['id', 'name', 'undeliverable', 'time_zone', 'created_at', 'address'])
    .where('id', 'in', wanted)
    .orderBy('address')
    .execute();
  return new Map(
    [...Map.groupBy(rows, (row) => row.id)].map(([id, group]) => [
      id,
      {
        id,
        name: group[0]!.name,
        addresses: group.flatMap(({ address }) => address ?? []),
        undeliverable: group[0]!.undeliverable,
        time_zone: group[0]!.time_zone,
        created_at: group[0]!.created_at.toISOString(),
      },
    ]),
  );
}

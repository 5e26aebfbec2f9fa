import { sql } from 'kysely';
import type { TenantId } from '../../domain/ids.ts';
import type { Ticket, TicketPriority, TicketStatus } from '../../domain/ticket.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import { contactIdOf } from './contacts.ts';
import { presentTickets } from './ticket-presentation.ts';
import { findTicket, TICKET_COLUMNS, type TicketRow } from './tickets.ts';

export interface TicketFilter {
  readonly status?: readonly TicketStatus[];
  readonly priority?: readonly TicketPriority[];
  /** An agent's id, or `none`. */
  readonly assignee_id?: string;
  readonly team_id?: string;
  readonly tag?: string;
  /** A provider's name. */
  readonly channel?: string;
  readonly account_id?: string;
  readonly requester_id?: string;
  /** As a person types it into a search box: words, "phrases", -without, or. */
  readonly q?: string;
}

/** Tickets newest first. @param page.after id of the last one shown. */
export async function listTickets(
  db: Db,
  tenantId: TenantId,
  filter: TicketFilter,
  page: { after: string | null; limit: number },
): Promise<Ticket[]> {
  return inTenant(db, tenantId, async (tx) => {
    let query = tx.selectFrom('tickets').select(TICKET_COLUMNS).where('tenant_id', '=', tenantId);
    if (filter.status?.length) query = query.where('status', 'in', [...filter.status]);
    if (filter.priority?.length) query = query.where('priority', 'in', [...filter.priority]);
    if (filter.assignee_id === 'none') query = query.where('assignee_id', 'is', null);
    else if (filter.assignee_id) query = query.where('assignee_id', '=', filter.assignee_id);
    if (filter.team_id) query = query.where('team_id', '=', filter.team_id);
    if (filter.tag) query = query.where(sql<boolean>`tags @> array[${filter.tag}]::text[]`);
    if (filter.channel) query = query.where('channel', '=', filter.channel);
    if (filter.account_id) query = query.where('account_id', '=', filter.account_id);
    if (filter.requester_id)
      query = query.where('requester_id', '=', await currentId(tx, filter.requester_id));
    if (filter.q)
      query = query.where(sql<boolean>`search @@ websearch_to_tsquery('simple', ${filter.q})`);
    if (page.after !== null) query = query.where('id', '<', page.after);
    const rows = await query.orderBy('id', 'desc').limit(page.limit).execute();
    return presentTickets(tx, rows as TicketRow[]);
  });
}

/** Of a contact that was merged, whom it became. */
async function currentId(tx: Tx, contactId: string): Promise<string> {
  return (await contactIdOf(tx, contactId)) ?? contactId;
}

/** One ticket as the API shows it, by id or number; null where there is none. */
export async function showTicket(
  db: Db,
  tenantId: TenantId,
  idOrNumber: string,
): Promise<Ticket | null> {
  return inTenant(db, tenantId, async (tx) => {
    const row = await findTicket(tx, tenantId, idOrNumber);
    return row && (await presentTickets(tx, [row]))[0]!;
  });
}

import { showTicket } from '../db/queries/ticket-list.ts';
import type { TenantId } from '../domain/ids.ts';
import type { Ticket } from '../domain/ticket.ts';
import { ticketWorkflowId } from '../workflows/contracts/ticket.ts';
import { ticketsWithConversation } from './channels/conversation.ts';
import type { ApiDeps } from './deps.ts';
import { etag } from './etag.ts';
import { notFound } from './problem.ts';
import { answer, type Answer } from './route.ts';

/** One ticket as it is shown by itself. @throws Problem 404 */
export async function shownTicket(
  deps: ApiDeps,
  tenantId: TenantId,
  idOrNumber: string,
  status?: 200 | 201,
): Promise<Answer<Ticket>> {
  const ticket = await showTicket(deps.db, tenantId, idOrNumber);
  if (!ticket) throw notFound('ticket', idOrNumber);
  const [shown] = await ticketsWithConversation(deps, tenantId, [linked(deps, tenantId, ticket)]);
  return answer(shown!, {
    headers: { ETag: etag(ticket.version) },
    ...(status === undefined ? {} : { status }),
  });
}

/** With the address of its workflow in the Temporal UI. */
export function linked({ relay }: ApiDeps, tenantId: TenantId, ticket: Ticket): Ticket {
  const workflowId = ticketWorkflowId({ tenantId, ticketId: ticket.id });
  return { ...ticket, workflow_url: relay.workflowUrl(workflowId) };
}

import { inTenant } from '../db/connection.ts';
import { insertCommand } from '../db/queries/commands.ts';
import { showMessage } from '../db/queries/messages.ts';
import { findTicket, type TicketRow } from '../db/queries/tickets.ts';
import type { TenantId } from '../domain/ids.ts';
import type { Message } from '../domain/message.ts';
import { TemporalUnavailable } from '../workflows/contracts/relay.ts';
import type { CommandOutcome, CommandUpdate } from '../workflows/contracts/ticket.ts';
import type { ApiDeps } from './deps.ts';
import { stale } from './etag.ts';
import { notFound, Problem, unavailable } from './problem.ts';
import { refusedField } from './refused-field.ts';
import type { Call } from './route.ts';

type AnyCall = Pick<
  Call<unknown, unknown, unknown>,
  'deps' | 'tenantId' | 'caller' | 'idempotencyKey' | 'newId'
>;
type Done = Extract<CommandOutcome, { ok: true }>;

/** The ticket that a path names by id or number. @throws Problem 404 */
export async function ticketOf(
  { deps, tenantId }: { deps: ApiDeps; tenantId: TenantId },
  idOrNumber: string,
): Promise<TicketRow> {
  const row = await inTenant(deps.db, tenantId, (tx) => findTicket(tx, tenantId, idOrNumber));
  if (!row) throw notFound('ticket', idOrNumber);
  return row;
}

/** The id of the ticket that a filter names: as it is, and of a number. @throws Problem 404 for a number that no ticket has */
export async function ticketIdOf(
  call: { deps: ApiDeps; tenantId: TenantId },
  idOrNumber: string,
): Promise<string> {
  return /^\d+$/.test(idOrNumber) ? (await ticketOf(call, idOrNumber)).id : idOrNumber;
}

/**
 * Has the ticket's workflow do something: the content goes into a row, the Update carries its id. A repeat with the
 * same Idempotency-Key finds the first one's row, and so its answer.
 * @throws Problem 404, or as the workflow refused it; 503 where Temporal does not answer.
 */
export async function command(
  call: AnyCall,
  idOrNumber: string,
  kind: CommandUpdate,
  payload: Record<string, unknown>,
  ifVersion: number | null = null,
): Promise<Done & { readonly ticketId: string }> {
  const { deps, tenantId } = call;
  const id = call.newId('command');
  const ticket = await inTenant(deps.db, tenantId, async (tx) => {
    const found = await findTicket(tx, tenantId, idOrNumber);
    if (!found) return null;
    await insertCommand(tx, tenantId, {
      id,
      ticketId: found.id,
      kind,
      actor: call.caller.actor,
      ifVersion,
      idempotencyKey: call.idempotencyKey,
      payload,
    });
    return found;
  });
  if (!ticket) throw notFound('ticket', idOrNumber);
  const outcome = await tell(deps, { tenantId, ticketId: ticket.id }, kind, id);
  if (outcome.ok) return { ...outcome, ticketId: ticket.id };
  if (outcome.status === 412) throw stale((await ticketOf(call, ticket.id)).version);
  throw new Problem(outcome.status, outcome.code, outcome.detail, {
    errors: refusedField(outcome, payload),
  });
}

/** The same, for what makes a message; answers with it. */
export async function commandForMessage(
  call: AnyCall,
  idOrNumber: string,
  kind: 'reply' | 'note',
  payload: Record<string, unknown>,
): Promise<Message> {
  const { messageId } = await command(call, idOrNumber, kind, payload);
  const message = messageId && (await showMessage(call.deps.db, call.tenantId, messageId));
  if (!message) throw notFound('message', messageId ?? '');
  return message;
}

async function tell(
  { relay }: ApiDeps,
  ref: { tenantId: TenantId; ticketId: string },
  kind: CommandUpdate,
  id: string,
): Promise<CommandOutcome> {
  try {
    return await relay.command(ref, kind, id);
  } catch (error) {
    if (error instanceof TemporalUnavailable)
      throw unavailable('temporal_unavailable', error.message);
    throw error;
  }
}

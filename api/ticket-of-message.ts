import { ticketOfMessage, type Making } from '../db/queries/ticket-of-message.ts';
import type { Message } from '../domain/message.ts';
import { checkAnswer, type AnswerPayload } from './scheduled/check.ts';
import { notFound } from './problem.ts';
import type { Call } from './route.ts';

type AnyCall = Pick<Call<unknown, unknown, unknown>, 'deps' | 'tenantId' | 'caller'>;

/**
 * The ticket of a message; one that came without begins it. A call that is repeated finds what the first has made.
 * @param answer that it is begun for: what may not be sent begins none
 * @throws Problem 404; 422 as the answer is refused
 */
export async function ticketFor(
  { deps, tenantId, caller }: AnyCall,
  { id, ticket_id: ticketId }: Pick<Message, 'id' | 'ticket_id'>,
  answer?: AnswerPayload,
): Promise<{ readonly ticketId: string; readonly isNew: boolean }> {
  if (ticketId !== null) return { ticketId, isNew: false };
  const check: Making['check'] =
    answer && ((tx, ticket) => checkAnswer(tx, { deps, tenantId }, ticket, answer, new Date()));
  const making = { tenantId, actor: caller.actor, check };
  const found = await ticketOfMessage(deps.db, deps.keys, making, id);
  if (!found) throw notFound('message', id);
  await deps.relay.flush(found.pending);
  return found;
}

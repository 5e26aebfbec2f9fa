import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type { Deps } from '../../activities/deps.ts';
import type { ProviderOptions } from '../../activities/provider-options.ts';
import { createSendingActivities } from '../../activities/sending.ts';
import { createTicketActivities } from '../../activities/tickets.ts';
import { inTenant } from '../../db/connection.ts';
import { insertCommand } from '../../db/queries/commands.ts';
import { newId, type TenantId } from '../../domain/ids.ts';
import type { Relay } from '../../workflows/contracts/relay.ts';
import type { CommandUpdate } from '../../workflows/contracts/ticket.ts';
import { ACTOR } from './ticket-seed.ts';

/**
 * What a ticket's workflow has its activities do, one by one, without the workflow.
 * @param options of the providers asked, as they are at each step
 */
export function ticketSteps(
  deps: Deps,
  tenantId: TenantId,
  options: () => ProviderOptions = () => ({}),
) {
  /** A command, written as the API writes it, and applied. */
  async function apply(
    ticketId: string,
    kind: CommandUpdate,
    payload: Record<string, unknown>,
    commandId = newId('command'),
  ) {
    const command = { id: commandId, ticketId, kind, actor: ACTOR, payload };
    await inTenant(deps.db, tenantId, (tx) => insertCommand(tx, tenantId, command));
    const now = new Date().toISOString();
    const activities = createTicketActivities(deps, options());
    return activities.applyCommand({ tenantId, ticketId, commandId, now });
  }
  return {
    apply,

    /** An answer, ready to be sent. @returns its id. @throws Error where it is refused */
    async queue(ticketId: string, payload: Record<string, unknown>): Promise<string> {
      const { outcome } = await apply(ticketId, 'reply', payload);
      if (!outcome.ok) throw new Error(outcome.detail);
      return outcome.messageId!;
    },

    /** One attempt at sending. @param heartbeatDetails what the attempt before left */
    send(ticketId: string, messageId: string, heartbeatDetails?: unknown) {
      const logger = new DefaultLogger('ERROR');
      const activities = createSendingActivities(deps, options());
      return new MockActivityEnvironment({ heartbeatDetails }, { logger }).run(() =>
        activities.sendMessage({ tenantId, ticketId, messageId }),
      );
    },

    /** A message's row. */
    message: (id: string) =>
      inTenant(deps.db, tenantId, (tx) =>
        tx.selectFrom('messages').selectAll().where('id', '=', id).executeTakeFirstOrThrow(),
      ),

    /** What was told of a ticket, in order. */
    async eventTypes(ticketId: string): Promise<string[]> {
      const rows = await inTenant(deps.db, tenantId, (tx) =>
        tx
          .selectFrom('events')
          .select('type')
          .where('ticket_id', '=', ticketId)
          .orderBy('sequence')
          .execute(),
      );
      return rows.map(({ type }) => type);
    },
  };
}

export type TicketSteps = ReturnType<typeof ticketSteps>;

/** Has commands applied at once, by the activity that the ticket's workflow runs them with. */
export function applyingRelay(deps: () => Deps, options: ProviderOptions = {}): Relay {
  return {
    flush: () => Promise.resolve(),
    workflowUrl: (id) => id,
    async command(ticket, _kind, commandId) {
      const input = { ...ticket, commandId, now: new Date().toISOString() };
      return (await createTicketActivities(deps(), options).applyCommand(input)).outcome;
    },
  };
}

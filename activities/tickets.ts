import { wayOutBy } from '../db/answering-channel.ts';
import { inTenant, rememberTrace } from '../db/connection.ts';
import {
  findCommand,
  findUntoldPolicyChanges,
  storeResult,
  type Command,
} from '../db/queries/commands.ts';
import { presentMessages } from '../db/queries/messages.ts';
import { Pending } from '../db/queries/outbox.ts';
import { endSending } from '../db/queries/send-claims.ts';
import {
  changeTicket,
  recordTicketEvents,
  type ChangeContext,
} from '../db/queries/ticket-changes.ts';
import { loadTicketRules } from '../db/queries/ticket-rules.ts';
import { snapshotOf } from '../db/queries/ticket-snapshot.ts';
import { lockTickets, type TicketRow } from '../db/queries/tickets.ts';
import type { Actor } from '../db/schema.ts';
import type { TenantId } from '../domain/ids.ts';
import { closesAt } from '../domain/ticket-lifecycle.ts';
import type { TicketActivities } from '../workflows/contracts/ticket-activities.ts';
import {
  ticketWorkflowId,
  type CommandOutcome,
  type TicketRef,
  type TicketSnapshot,
} from '../workflows/contracts/ticket.ts';
import { findProvider } from '../providers/registry.ts';
import { messagesFailed } from '../telemetry/metrics.ts';
import { traced } from '../telemetry/trace.ts';
import type { Deps } from './deps.ts';
import { elapsedMs } from './elapsed.ts';
import type { ProviderOptions } from './provider-options.ts';
import { apply, type CommandWork } from './ticket-commands.ts';
import { announceDue } from './ticket-escalation.ts';
import { tellCustomer } from './ticket-updates.ts';

/** What a ticket's workflow does in Postgres; each activity is one transaction under the ticket's row lock. */
export function createTicketActivities(
  deps: Deps,
  options: ProviderOptions = {},
): TicketActivities {
  const find = options.findProvider ?? findProvider;
  const canSend = (provider: string) => find(provider)?.sender !== undefined;
  const wayOut = wayOutBy(find, deps.keys);
  const chatOf = (provider: string) => find(provider)?.chat;
  // Agents are reached by mail.
  const canNotify = (provider: string) => canSend(provider) && chatOf(provider) === undefined;
  const room: Room = { deps, chatOf };
  const fallbackDomain = new URL(deps.config.publicUrl).hostname;

  const applyOne = (context: ChangeContext, ticket: TicketRow, command: Command) => {
    const attributes = {
      'postroom.tenant': context.pending.tenantId,
      'postroom.ticket': ticket.id,
      'postroom.command': command.id,
      'postroom.kind': command.kind,
    };
    return traced('ticket command', { parent: command.traceparent, attributes }, async () => {
      await rememberTrace(context.tx);
      const result = await apply({
        context,
        ticket,
        command,
        keys: deps.keys,
        canSend,
        wayOut,
        chatOf,
        fallbackDomain,
      });
      await storeResult(context.tx, command.id, result.outcome, context.now);
      return result;
    });
  };

  return {
    async loadTicket(call) {
      return withTicket(room, call, async (context, ticket) => {
        let row = ticket;
        for (const command of await findUntoldPolicyChanges(context.tx, row.id)) {
          row = (await applyOne({ ...context, actor: command.actor }, row, command)).ticket;
        }
        return row;
      });
    },

    async applyCommand(call) {
      let outcome: CommandOutcome = missing('ticket', call.ticketId);
      const snapshot = await withTicket(room, call, async (context, ticket) => {
        const command = await findCommand(context.tx, call.commandId);
        outcome = command?.result ?? missing('command', call.commandId);
        if (!command || command.result || command.ticketId !== ticket.id) return ticket;
        const result = await applyOne({ ...context, actor: command.actor }, ticket, command);
        outcome = result.outcome;
        return result.ticket;
      });
      return { outcome, snapshot };
    },

    async applyDue(call) {
      return withTicket(room, call, (context, ticket) =>
        announceDue({ ...context, canSend: canNotify }, ticket),
      );
    },

    async closeTicket(call) {
      return withTicket(room, call, async (context, ticket) => {
        const at = closesAt(ticket, context.rules);
        if (!at || at > context.now) return ticket;
        return changeTicket(
          { ...context, reason: `resolved for ${context.rules.autoCloseHours} hours` },
          { ticket, fields: { status: 'closed' } },
        );
      });
    },

    async giveUpMessage(call) {
      const pending = new Pending(call.tenantId as TenantId);
      const failed = await inTenant(deps.db, pending.tenantId, async (tx) => {
        const ended = await endSending(tx, call.messageId, ({ inDoubt, error }) => ({
          status: inDoubt ? 'uncertain' : 'failed',
          error: error ?? { code: call.code, detail: GAVE_UP },
        }));
        if (!ended) return null;
        const [message] = await presentMessages(tx, [ended.message]);
        await recordTicketEvents(tx, pending, [
          {
            ticket: ended.ticket,
            events: [
              {
                type: 'message.failed',
                data: {
                  message,
                  error: ended.ending.error,
                  uncertain: ended.ending.status === 'uncertain',
                },
              },
            ],
          },
        ]);
        const { status, error } = ended.ending;
        return {
          provider: message!.channel,
          reason: status === 'uncertain' ? status : error?.code,
        };
      });
      await deps.relay.flush(pending);
      if (failed) messagesFailed.inc(failed);
    },
  };
}

const GAVE_UP = 'It could not be sent in the time it was given.';

function missing(what: string, id: string): CommandOutcome {
  return { ok: false, status: 404, code: 'not_found', detail: `There is no ${what} "${id}".` };
}

interface Room {
  readonly deps: Deps;
  readonly chatOf: CommandWork['chatOf'];
}

/** One transaction under the ticket's lock; then what it left for Temporal is handed over. */
async function withTicket(
  { deps, chatOf }: Room,
  call: TicketRef & { readonly now: string },
  work: (context: ChangeContext, ticket: TicketRow) => Promise<TicketRow>,
): Promise<TicketSnapshot | null> {
  const pending = new Pending(call.tenantId as TenantId);
  const actor: Actor = { type: 'workflow', id: ticketWorkflowId(call) };
  const snapshot = await inTenant(deps.db, pending.tenantId, async (tx) => {
    const ticket = (await lockTickets(tx, [call.ticketId])).get(call.ticketId);
    if (!ticket) return null;
    const rules = await loadTicketRules(tx, pending.tenantId);
    const context = { tx, pending, rules, actor, now: new Date(call.now) };
    const row = await work(context, ticket);
    await tellCustomer(context, ticket, row, chatOf);
    return snapshotOf(tx, row, rules);
  });
  await deps.relay.flush(pending);
  return snapshot && { ...snapshot, elapsedMs: elapsedMs() };
}

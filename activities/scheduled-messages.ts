import { inTenant } from '../db/connection.ts';
import { insertCommand } from '../db/queries/commands.ts';
import { Pending } from '../db/queries/outbox.ts';
import {
  findScheduled,
  markScheduledFailed,
  type ScheduledRow,
} from '../db/queries/scheduled-messages.ts';
import { recordTicketEvents } from '../db/queries/ticket-changes.ts';
import { lockTickets } from '../db/queries/tickets.ts';
import { scheduledCommandId } from '../domain/scheduled-message.ts';
import type { TenantId } from '../domain/ids.ts';
import type {
  ScheduledEnd,
  ScheduledMessageActivities,
  ScheduledRef,
} from '../workflows/contracts/scheduled-message.ts';
import type { Deps } from './deps.ts';
import { heartbeating } from './heartbeating.ts';

/** What could not be handed to its ticket for so long would only puzzle. */
const GIVEN_UP_AFTER_MS = 24 * 3600 * 1000;
const SIGN_OF_LIFE_MS = 3_000;

type Failure = { readonly code: string; readonly detail: string };

/** What the workflow of a message set for a time does. */
export function createScheduledMessageActivities(
  deps: Pick<Deps, 'db' | 'relay'>,
): ScheduledMessageActivities {
  return {
    sendScheduled: (ref) => heartbeating(SIGN_OF_LIFE_MS, () => sendScheduled(deps, ref)),
  };
}

async function sendScheduled(
  deps: Pick<Deps, 'db' | 'relay'>,
  { tenantId, scheduledId }: ScheduledRef,
): Promise<ScheduledEnd> {
  const tenant = tenantId as TenantId;
  const row = await findScheduled(deps.db, tenant, scheduledId);
  if (row?.status !== 'scheduled') return endOf(row);
  const lateMs = Date.now() - row.send_at.getTime();
  const failure = lateMs > GIVEN_UP_AFTER_MS ? TOO_LATE : await handOver(deps, tenant, row);
  if (failure) await fail(deps, tenant, row, failure);
  return endOf(await findScheduled(deps.db, tenant, scheduledId));
}

const TOO_LATE: Failure = {
  code: 'schedule.too_late',
  detail: 'It could not be handed over within a day of its time, and was not sent.',
};

/**
 * As an agent's answer, by one command whose id follows from the message's: a repeat finds the first one's. Returns why it
 * was refused. @throws TemporalUnavailable
 */
async function handOver(
  { db, relay }: Pick<Deps, 'db' | 'relay'>,
  tenantId: TenantId,
  row: ScheduledRow,
): Promise<Failure | null> {
  const commandId = scheduledCommandId(row.id);
  await inTenant(db, tenantId, (tx) =>
    insertCommand(tx, tenantId, {
      id: commandId,
      ticketId: row.ticket_id,
      kind: 'reply',
      actor: row.actor,
      payload: { ...row.payload, account_id: row.channel_id, scheduled_id: row.id },
    }),
  );
  const ticket = { tenantId, ticketId: row.ticket_id };
  const outcome = await relay.command(ticket, 'reply', commandId);
  return outcome.ok ? null : { code: outcome.code, detail: outcome.detail };
}

async function fail(
  deps: Pick<Deps, 'db' | 'relay'>,
  tenantId: TenantId,
  { id, ticket_id: ticketId, send_at: sendAt }: ScheduledRow,
  error: Failure,
): Promise<void> {
  const pending = new Pending(tenantId);
  await inTenant(deps.db, tenantId, async (tx) => {
    const ticket = (await lockTickets(tx, [ticketId])).get(ticketId);
    const failed = await markScheduledFailed(tx, id, error);
    if (!failed || !ticket) return;
    const scheduled_message = { id, ticket_id: ticketId, send_at: sendAt.toISOString() };
    await recordTicketEvents(tx, pending, [
      {
        ticket,
        events: [{ type: 'scheduled_message.failed', data: { scheduled_message, error } }],
      },
    ]);
  });
  await deps.relay.flush(pending);
}

function endOf(row: ScheduledRow | null): ScheduledEnd {
  return row === null || row.status === 'scheduled' ? 'failed' : row.status;
}

import { inTenant } from '../db/connection.ts';
import { applyEarlyStatuses } from '../db/queries/delivery-statuses.ts';
import { presentMessages } from '../db/queries/messages.ts';
import { Pending } from '../db/queries/outbox.ts';
import { endSending, type Ending, type SendClaim } from '../db/queries/send-claims.ts';
import { recordTicketEvents } from '../db/queries/ticket-changes.ts';
import type { TenantId } from '../domain/ids.ts';
import type { Message } from '../domain/message.ts';
import type { ChannelProvider, SendReceipt } from '../providers/contract.ts';
import { messagesFailed } from '../telemetry/metrics.ts';
import type { SendingActivities } from '../workflows/contracts/ticket-activities.ts';
import type { Deps } from './deps.ts';

export type Outcome = Awaited<ReturnType<SendingActivities['sendMessage']>>;

export const UNCERTAIN: Ending = {
  status: 'uncertain',
  error: {
    code: 'send.uncertain',
    detail:
      'The connection ended while it was handed over, and this channel has no Sent folder to ask: it may have ' +
      'arrived. It is not sent again by itself; ask the customer, or answer once more.',
  },
};

/** A vendor that reports what becomes of a message has only accepted it so far. */
export function takenBy(
  provider: ChannelProvider | undefined,
  { providerMessageId, messageId }: SendReceipt,
  receiptWithinMs: number,
): Ending {
  const chat = provider?.chat;
  // What answers on a chat name is the vendor's own id.
  const named = messageId ?? (chat && providerMessageId) ?? undefined;
  return {
    status: chat?.receipts ? 'accepted' : 'sent',
    providerMessageId,
    ...(named !== undefined && { messageId: named }),
    ...(chat?.receipts && { receiptDueAt: new Date(Date.now() + receiptWithinMs) }),
  };
}

/** As it was when the answer was written. */
export function providerName({ message }: SendClaim): string {
  return (message.body as unknown as Message).channel; // writtenMessage made it
}

/** Writes down how an attempt ended, unless a later claim has taken the message over, and tells of it. */
export async function end(
  deps: Deps,
  tenantId: TenantId,
  claim: SendClaim,
  ending: Ending,
): Promise<Outcome> {
  const pending = new Pending(tenantId);
  const ended = await inTenant(deps.db, tenantId, async (tx) => {
    const done = await endSending(tx, claim.message.id, () => ending, claim.fence);
    if (!done) return false;
    const [message] = await presentMessages(tx, [done.message]);
    const [ticket] = await recordTicketEvents(tx, pending, [
      {
        ticket: done.ticket,
        events: [
          ending.status === 'sent' || ending.status === 'accepted'
            ? { type: 'message.sent', data: { message } }
            : { type: 'message.failed', data: { message, error: ending.error, uncertain: true } },
        ],
      },
    ]);
    await applyEarlyStatuses(tx, pending, done.message, ticket!);
    return true;
  });
  await deps.relay.flush(pending);
  if (!ended) return { status: 'ended' };
  if (ending.status === 'uncertain')
    messagesFailed.inc({ provider: providerName(claim), reason: 'uncertain' });
  return { status: ending.status === 'uncertain' ? 'uncertain' : 'sent' };
}

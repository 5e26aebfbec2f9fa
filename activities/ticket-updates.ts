import { channelSettings } from '../db/queries/channel-settings.ts';
import type { ChangeContext } from '../db/queries/ticket-changes.ts';
import type { TicketRow } from '../db/queries/tickets.ts';
import { tellOfUpdate } from '../db/ticket-updates.ts';
import { updateOf } from '../domain/ticket-updates.ts';
import type { ChatCapability } from '../providers/contract.ts';

/** Tells a chat's customer what has just become of the ticket, in the transaction in which it did. */
export async function tellCustomer(
  { tx, pending, actor, now }: ChangeContext,
  before: TicketRow,
  after: TicketRow,
  chatOf: (provider: string) => ChatCapability<unknown> | undefined,
): Promise<void> {
  const update = updateOf(before, after);
  const chat = chatOf(after.channel);
  if (update === null || chat === undefined) return;
  const channel = await channelSettings(tx, after.account_id);
  if (!channel) return;
  await tellOfUpdate({ tx, tenantId: pending.tenantId, channel, chat, actor, now }, after, update);
}

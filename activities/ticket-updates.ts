import { usualChannels } from '../db/answering-channel.ts';
import { channelSettings } from '../db/queries/channel-settings.ts';
import { answeredMessage } from '../db/queries/outgoing.ts';
import type { ChangeContext } from '../db/queries/ticket-changes.ts';
import type { TicketRow } from '../db/queries/tickets.ts';
import { tellOfUpdate } from '../db/ticket-updates.ts';
import { updateOf } from '../domain/ticket-updates.ts';
import type { ChatCapability } from '../providers/contract.ts';

/**
 * Tells a customer on a chat what has just become of the ticket, in the transaction in which it did: where an answer would
 * leave now, as far as that is a chat.
 */
export async function tellCustomer(
  { tx, pending, actor, now }: ChangeContext,
  before: TicketRow,
  after: TicketRow,
  chatOf: (provider: string) => ChatCapability<unknown> | undefined,
): Promise<void> {
  const update = updateOf(before, after);
  if (update === null) return;
  const { tenantId } = pending;
  for (const { id, provider } of usualChannels(after, await answeredMessage(tx, after.id, null))) {
    const chat = chatOf(provider);
    const channel = chat && (await channelSettings(tx, id));
    if (!channel) continue;
    await tellOfUpdate({ tx, tenantId, channel, chat, actor, now }, after, update);
    return;
  }
}

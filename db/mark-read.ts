import type { ChannelProvider, ProviderCall } from '../providers/contract.ts';
import type { Db } from './connection.ts';
import { latestUnread, noteRead, type Readable } from './queries/read-marks.ts';

/**
 * Marks a customer's message as read, and those before it; the customer is shown it where the channel can and its
 * settings let it. @throws ProviderFailure: then it is as it was
 */
export async function markRead(
  db: Db,
  provider: ChannelProvider,
  call: ProviderCall<unknown>,
  message: Readable,
): Promise<void> {
  const { providerMessageId, address } = message;
  if (providerMessageId !== null && address !== null)
    await provider.chat?.markRead?.(call, { providerMessageId, address });
  await noteRead(db, call.channel.tenantId, message);
}

/** Whoever is answered has been read. Nothing where all is marked, or the channel has no such marks. */
export async function markAnswered(
  db: Db,
  provider: ChannelProvider,
  call: ProviderCall<unknown>,
  address: string,
): Promise<void> {
  if (!provider.chat?.markRead) return;
  const { tenantId, id } = call.channel;
  const message = await latestUnread(db, tenantId, id, address);
  if (message) await markRead(db, provider, call, message);
}

import type { ChannelProvider, ProviderCall } from '../providers/contract.ts';
import type { Relay } from '../workflows/contracts/relay.ts';
import type { Db } from './connection.ts';
import { noticingRefusals } from './noticing-refusals.ts';
import type { LoadedChannel } from './queries/channels.ts';
import { latestUnread, noteRead, type Readable } from './queries/read-marks.ts';

interface Deps {
  readonly db: Db;
  readonly relay: Relay;
}

/** A channel, and what its vendor is asked with. */
interface Place {
  readonly channel: LoadedChannel;
  readonly call: ProviderCall<unknown>;
}

/**
 * Marks a customer's message as read, and those before it; the customer is shown it where the channel can and its
 * settings let it. @throws ProviderFailure: then it is as it was
 */
export async function markRead(
  deps: Deps,
  { chat }: ChannelProvider,
  { channel, call }: Place,
  message: Readable,
): Promise<void> {
  const { providerMessageId, address } = message;
  if (chat?.markRead && providerMessageId !== null && address !== null)
    await noticingRefusals(deps, channel, 'read_mark', () =>
      chat.markRead!(call, { providerMessageId, address }),
    );
  await noteRead(deps.db, call.channel.tenantId, message);
}

/** Whoever is answered has been read. Nothing where all is marked, or the channel has no such marks. */
export async function markAnswered(
  deps: Deps,
  provider: ChannelProvider,
  place: Place,
  address: string,
): Promise<void> {
  if (!provider.chat?.markRead) return;
  const { tenantId, id } = place.call.channel;
  const message = await latestUnread(deps.db, tenantId, id, address);
  if (message) await markRead(deps, provider, place, message);
}

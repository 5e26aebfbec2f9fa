import { inTenant } from '../db/connection.ts';
import { noticingRefusals } from '../db/noticing-refusals.ts';
import type { LoadedChannel } from '../db/queries/channels.ts';
import { nameParties, namesToAskFor } from '../db/queries/conversations.ts';
import { ProviderFailure } from '../domain/failure.ts';
import { standingRefusal } from '../domain/refusal.ts';
import type { ChatProvider } from '../providers/chat-provider.ts';
import type { ProviderCall } from '../providers/contract.ts';
import type { Deps } from './deps.ts';
import { inParallel } from './in-parallel.ts';

const AT_ONCE = 8;
const PROFILE_MS = 5_000;

/**
 * Names of people whom their channel does not name, by their address. Asked for as a conversation begins, and once a day
 * while there is none; a vendor that doesn't tell in time is not waited for.
 */
export async function profileNames(
  deps: Deps,
  channel: LoadedChannel,
  { chat: { profile } }: ChatProvider,
  call: ProviderCall<unknown>,
  unnamed: readonly string[],
): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  if (!profile || unnamed.length === 0) return names;
  if (standingRefusal(channel, 'profile', new Date())) return names;
  const { tenantId, id } = channel.facts;
  const asked = await inTenant(deps.db, tenantId, (tx) => namesToAskFor(tx, id, unnamed));
  await inParallel(AT_ONCE, asked, async (address) => {
    const signal = AbortSignal.any([call.signal, AbortSignal.timeout(PROFILE_MS)]);
    try {
      const told = await noticingRefusals(deps, channel, 'profile', () =>
        profile({ ...call, signal }, address),
      );
      if (told) names.set(address, told.name);
    } catch (error) {
      call.signal.throwIfAborted();
      const reason = error instanceof ProviderFailure ? error.code : String(error);
      deps.log.warn({ channel: id, reason }, 'a customer’s profile could not be read');
    }
  });
  if (names.size > 0) await inTenant(deps.db, tenantId, (tx) => nameParties(tx, id, names));
  return names;
}

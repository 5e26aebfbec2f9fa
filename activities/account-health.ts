import { noticingRefusals } from '../db/noticing-refusals.ts';
import { claimHealth, storeHealth } from '../db/queries/account-health.ts';
import type { LoadedChannel } from '../db/queries/channels.ts';
import { ProviderFailure } from '../domain/failure.ts';
import type { ChannelProvider, ProviderCall } from '../providers/contract.ts';
import { measuredCall } from '../telemetry/provider-calls.ts';
import type { Deps } from './deps.ts';

/**
 * Once a day, how a channel's account stands is asked of its vendor. It is knowledge only: whatever the failure, the
 * channel goes on, what was known stays, and it is asked again after an hour. A refused token is noted, though: of a
 * channel where nobody writes it may be the only word.
 */
export async function refreshHealth(
  deps: Pick<Deps, 'db' | 'log' | 'relay'>,
  channel: LoadedChannel,
  { chat }: ChannelProvider,
  call: () => Promise<ProviderCall<unknown>>,
): Promise<void> {
  const { facts, provider: name, account } = channel;
  const read = chat?.health;
  if (!read || !(await claimHealth(deps.db, facts))) return;
  try {
    const health = await noticingRefusals(deps, channel, 'health', async () => {
      const ready = await call();
      return measuredCall(name, 'health', () => read(ready));
    });
    await deps.relay.flush(await storeHealth(deps.db, facts, account, health));
  } catch (error) {
    if (!(error instanceof ProviderFailure)) throw error;
    deps.log.warn(
      { tenant: facts.tenantId, channel: facts.id, code: error.code, err: error },
      'how the account stands could not be read',
    );
  }
}

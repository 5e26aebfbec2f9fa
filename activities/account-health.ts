import { claimHealth, storeHealth } from '../db/queries/account-health.ts';
import type { LoadedChannel } from '../db/queries/channels.ts';
import { ProviderFailure } from '../domain/failure.ts';
import type { ChannelProvider, ProviderCall } from '../providers/contract.ts';
import { measuredCall } from '../telemetry/provider-calls.ts';
import type { Deps } from './deps.ts';

/**
 * Once a day, how a channel's account stands is asked of its vendor. It is knowledge only: whatever the failure, the
 * channel goes on, what was known stays, and it is asked again after an hour.
 */
export async function refreshHealth(
  deps: Pick<Deps, 'db' | 'log' | 'relay'>,
  { facts, provider: name, account }: LoadedChannel,
  { chat }: ChannelProvider,
  call: () => Promise<ProviderCall<unknown>>,
): Promise<void> {
  const read = chat?.health;
  if (!read || !(await claimHealth(deps.db, facts))) return;
  try {
    const ready = await call();
    const health = await measuredCall(name, 'health', () => read(ready));
    await deps.relay.flush(await storeHealth(deps.db, facts, account, health));
  } catch (error) {
    if (!(error instanceof ProviderFailure)) throw error;
    deps.log.warn(
      { tenant: facts.tenantId, channel: facts.id, code: error.code, err: error },
      'how the account stands could not be read',
    );
  }
}

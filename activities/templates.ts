import type { LoadedChannel } from '../db/queries/channels.ts';
import {
  claimTemplates,
  storeTemplates,
  TEMPLATES_AGAIN_SECONDS,
} from '../db/queries/message-templates.ts';
import { noticingRefusals } from '../db/noticing-refusals.ts';
import { allTemplates } from '../providers/chat-templates.ts';
import { classified } from '../providers/classified.ts';
import type { ChannelProvider, ProviderCall } from '../providers/contract.ts';
import { measuredCall } from '../telemetry/provider-calls.ts';
import type { Deps } from './deps.ts';

/**
 * Once a day, or where the vendor told of news, a channel's templates are read from its account. A failure leaves those
 * that are there; refused credentials are the channel's own trouble.
 * @returns after how many seconds to try again what failed and may pass; null where there is nothing to try
 * @throws ProviderFailure
 */
export async function refreshTemplates(
  deps: Pick<Deps, 'db' | 'log' | 'relay'>,
  channel: LoadedChannel,
  { chat }: ChannelProvider,
  call: () => Promise<ProviderCall<unknown>>,
): Promise<number | null> {
  const { facts, provider: name } = channel;
  if (!chat?.templates || !(await claimTemplates(deps.db, facts))) return null;
  try {
    const templates = await noticingRefusals(deps, channel, 'templates', async () => {
      const ready = await call();
      return measuredCall(name, 'templates', () => allTemplates(chat, ready));
    });
    await storeTemplates(deps.db, facts, templates, new Date());
    return null;
  } catch (error) {
    const failure = classified(error);
    if (!failure || failure.class === 'reauthenticate') throw error;
    deps.log.warn(
      { tenant: facts.tenantId, channel: facts.id, code: failure.code, err: error },
      'the account’s templates could not be read',
    );
    return failure.class === 'give_up' ? null : TEMPLATES_AGAIN_SECONDS;
  }
}

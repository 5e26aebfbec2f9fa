import { Context } from '@temporalio/activity';
import { storedChannelCall } from '../db/channel-call.ts';
import { loadChannel, type LoadedChannel } from '../db/queries/channels.ts';
import type { TenantId } from '../domain/ids.ts';
import type { ChannelProvider, ProviderCall } from '../providers/contract.ts';
import { findProvider } from '../providers/registry.ts';
import type { MailboxRef } from '../workflows/contracts/mailbox.ts';
import type { Deps } from './deps.ts';
import type { ProviderOptions } from './provider-options.ts';

const POLL_SECONDS = 300;

export function load(deps: Deps, ref: MailboxRef): Promise<LoadedChannel | null> {
  return loadChannel(deps.db, deps.keys, ref.tenantId as TenantId, ref.channelId);
}

export function providerOf(channel: LoadedChannel, options: ProviderOptions): ChannelProvider {
  const provider = (options.findProvider ?? findProvider)(channel.provider);
  if (!provider) throw new Error(`No provider is called "${channel.provider}".`);
  return provider;
}

export async function callOf(
  deps: Deps,
  provider: ChannelProvider,
  channel: LoadedChannel,
  alsoStop?: AbortSignal,
): Promise<ProviderCall<unknown>> {
  const cancelled = Context.current().cancellationSignal;
  return storedChannelCall(deps, provider, channel, {
    signal: alsoStop ? AbortSignal.any([cancelled, alsoStop]) : cancelled,
    heartbeat,
  });
}

export function pollSeconds(channel: LoadedChannel): number {
  const seconds = channel.settings['poll_seconds'];
  return typeof seconds === 'number' ? seconds : POLL_SECONDS;
}

export function heartbeat(progress?: unknown): void {
  const context = Context.current();
  context.heartbeat(progress);
  context.cancellationSignal.throwIfAborted();
}

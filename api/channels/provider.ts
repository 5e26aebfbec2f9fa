import { findProvider, providers } from '../../providers/registry.ts';
import type { ChannelProvider } from '../../providers/contract.ts';
import { invalid } from '../problem.ts';

/** The provider whose door takes raw mail: the core's own, since nothing in it is a vendor's. */
export const RAW_MAIL = 'mime';

/** @throws Problem 422 where there is no such provider. */
export function providerNamed(nameOrAlias: string): ChannelProvider {
  const provider = findProvider(nameOrAlias);
  if (provider) return provider;
  const names = providers.map(({ manifest }) => manifest.name).join(', ');
  throw invalid(`There is no provider "${nameOrAlias}".`, [
    { pointer: '/provider', message: `wants one of ${names}` },
  ]);
}

/** Whether the outside reaches its channels under /ingress. */
export function hasDoor(provider: ChannelProvider): boolean {
  return provider.door !== undefined || provider.manifest.name === RAW_MAIL;
}

/** Whether the channel's address is the only way to it: the local mail door. */
export function isReachedByAddressAlone(provider: ChannelProvider): boolean {
  return !hasDoor(provider) && provider.mailbox === undefined;
}

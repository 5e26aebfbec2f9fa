import { existsSync } from 'node:fs';
import { providers } from '../../../../providers/registry.ts';
import type { ChannelProvider } from '../../../../providers/contract.ts';
import type { Outside } from './contract.ts';

export const CAPABILITIES = ['mailbox', 'sender', 'door', 'chat'] as const;
export type Capability = (typeof CAPABILITIES)[number];

export interface ProviderWithOutside {
  readonly name: string;
  readonly provider: Required<ChannelProvider>;
  readonly outside: Outside;
}

const outsides = new Map<string, Outside>();
for (const { manifest } of providers) {
  const file = new URL(`./${manifest.name}.ts`, import.meta.url);
  if (!existsSync(file)) continue;
  const module = (await import(file.href)) as { readonly outside: Outside }; // each file exports one
  outsides.set(manifest.name, module.outside);
}

/** What keeps the suite from holding a provider to the contract, in plain words. */
export function missingOutsides(): string[] {
  return providers.flatMap((provider) => {
    const { name } = provider.manifest;
    const outside = outsides.get(name);
    if (!outside)
      return [`"${name}" has no outside: write outsides/${name}.ts, as outsides/contract.ts says.`];
    return CAPABILITIES.filter((capability) => provider[capability] && !outside[capability]).map(
      (capability) =>
        `"${name}" is a ${capability}, and outsides/${name}.ts says nothing of how its ${capability} is reached.`,
    );
  });
}

/** The providers with a capability that have an outside for it. */
export function providersWith(capability: Capability): [string, ProviderWithOutside][] {
  return providers.flatMap((provider) => {
    const { name } = provider.manifest;
    const outside = outsides.get(name);
    if (!provider[capability] || !outside?.[capability]) return [];
    // Only the capability asked for is used, and it is there.
    return [[name, { name, provider: provider as Required<ChannelProvider>, outside }]];
  });
}

import { z } from 'zod';
import { findProvider, providers } from '../../providers/registry.ts';

const names = providers.flatMap(({ manifest }) => [manifest.name, ...(manifest.aliases ?? [])]);
const known = providers
  .map(({ manifest: { name, aliases = [] } }) =>
    aliases.length === 0 ? name : `${name} (or ${aliases.join(', ')})`,
  )
  .join(', ');

/** A provider's name, or one that it is known by besides (`facebook`), which is taken as its name. */
export const ProviderName = z
  .enum(names as [string, ...string[]], { error: `wants one of ${known}` }) // never empty
  .meta({ id: 'ProviderName' })
  .transform((name) => findProvider(name)!.manifest.name);

import type { ProviderCall } from '../../../providers/contract.ts';
import { freePort } from '../../../embedded/ports.ts';
import { providerCall } from './call.ts';

/** An address on which nothing listens. */
export const unused = async (): Promise<string> => `http://127.0.0.1:${await freePort()}`;

/** A network of which the next request reaches nobody once it is `cut`. */
export function cutOff(): {
  readonly network: ProviderCall<unknown>['network'];
  readonly cut: () => void;
} {
  const { network } = providerCall({});
  let isCut = false;
  return {
    network: {
      ...network,
      async fetch(url, init) {
        if (!isCut) return network.fetch(url, init);
        isCut = false;
        return network.fetch(await unused(), init);
      },
    },
    cut() {
      isCut = true;
    },
  };
}

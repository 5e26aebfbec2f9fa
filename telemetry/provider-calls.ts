import { ProviderFailure } from '../domain/failure.ts';
import { providerSeconds } from './metrics.ts';

/** Measures one sync, one attempt to send, one renewal, one file or reading of templates or health, and counts it by the class of its error. */
export async function measuredCall<T>(
  provider: string,
  operation: 'sync' | 'send' | 'renew' | 'templates' | 'health' | 'file',
  work: () => Promise<T>,
): Promise<T> {
  const began = performance.now();
  const told = (outcome: string) =>
    providerSeconds.observe({ provider, operation, outcome }, (performance.now() - began) / 1000);
  try {
    const result = await work();
    told('ok');
    return result;
  } catch (error) {
    told(error instanceof ProviderFailure ? error.class : 'fault');
    throw error;
  }
}

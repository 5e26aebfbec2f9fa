import type { ProviderCall } from './contract.ts';

const EVERY_MS = 10_000;

/** Shows signs of life while `work` waits for the outside. A cancelled call ends by its signal, not here. */
export async function withHeartbeats<T>(
  call: Pick<ProviderCall<unknown>, 'heartbeat'>,
  work: () => Promise<T>,
): Promise<T> {
  const beating = setInterval(() => {
    try {
      call.heartbeat();
    } catch {
      clearInterval(beating); // it throws where the call was cancelled
    }
  }, EVERY_MS);
  try {
    return await work();
  } finally {
    clearInterval(beating);
  }
}

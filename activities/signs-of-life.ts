const EVERY_MS = 5_000;

/** Shows now and then that `work` goes on; its signal ends when whoever is shown no longer wants it. */
export async function withSignsOfLife<T>(
  heartbeat: () => void,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const beat = setInterval(() => {
    try {
      heartbeat();
    } catch (error) {
      stop.abort(error); // it was cancelled
    }
  }, EVERY_MS);
  try {
    return await work(stop.signal);
  } finally {
    clearInterval(beat);
  }
}

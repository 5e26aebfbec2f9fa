// The process that holds the shared servers of a test run. It prints where it is found, and ends,
// with all it started, when its standard input does: that is, when jest ends, however it ends.
import { offerParts } from './parts.ts';

const parts = await offerParts();
process.stdout.write(`${parts.url}\n`);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.stdin.on('end', () => {
  void parts.stop().finally(() => process.exit());
});
process.stdin.resume();

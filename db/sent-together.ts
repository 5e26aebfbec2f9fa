import type { PoolClient } from 'pg';

/** A client's socket: `cork` keeps what is written until `uncork`. */
interface Sending {
  readonly connection?: { readonly stream: { cork(): void; uncork(): void } };
}

/** What is asked of a client in one turn of the event loop leaves in one packet, and not each statement by itself. */
export function sendTogether(client: PoolClient): void {
  const stream = (client as Sending).connection?.stream; // which pg corks, too, statement by statement
  if (!stream) return;
  const query = client.query.bind(client) as (...given: unknown[]) => unknown; // has an overload for each way to call it
  let isCorked = false;
  const together = (...given: unknown[]) => {
    if (!isCorked) {
      isCorked = true;
      stream.cork();
      process.nextTick(() => {
        isCorked = false;
        stream.uncork();
      });
    }
    return query(...given);
  };
  client.query = together as typeof client.query;
}

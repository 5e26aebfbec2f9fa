import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import pg from 'pg';
import type { Db } from '../connection.ts';

const CHANNEL = 'postroom_stream';
const RECONNECT_MS = 1_000;

/** Tells the dispatchers that rows wait. After the commit, apart from it: a NOTIFY inside would serialize commits. */
export async function notifyStream(db: Db): Promise<void> {
  await sql`select pg_notify(${CHANNEL}, '')`.execute(db);
}

/**
 * Calls `wake` whenever rows wait, over a connection of its own that is made anew when it is lost. Returns how to stop.
 * A notice that is lost meanwhile costs a second: dispatchers look by themselves, too.
 */
export function listenForStream(url: string, wake: () => void): () => Promise<void> {
  const stop = new AbortController();
  const listening = listen(url, wake, stop.signal);
  return async () => {
    stop.abort();
    await listening;
  };
}

async function listen(url: string, wake: () => void, stopped: AbortSignal): Promise<void> {
  while (!stopped.aborted) {
    const client = new pg.Client({
      connectionString: url,
      application_name: 'postroom stream',
      keepAlive: true,
    });
    const lost = new Promise<void>((resolve) => {
      client.on('error', () => resolve());
      client.on('end', () => resolve());
      stopped.addEventListener('abort', () => resolve());
    });
    try {
      await client.connect();
      client.on('notification', wake);
      await client.query(`listen ${CHANNEL}`);
      wake();
      await lost;
    } catch {
      // The database is away; claims say so in the log.
    }
    await client.end().catch(() => undefined);
    if (!stopped.aborted)
      await sleep(RECONNECT_MS, undefined, { signal: stopped }).catch(() => undefined);
  }
}

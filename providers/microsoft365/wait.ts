import { setTimeout as sleep } from 'node:timers/promises';
import { ProviderFailure } from '../../domain/failure.ts';
import { Graph } from './client.ts';
import { readCursor, type CursorIn } from './cursor.ts';
import { folderPath } from './folder.ts';
import { deltaPage } from './listing.ts';
import type { Microsoft365Call } from './sign-in.ts';

const HEARTBEAT_MS = 20_000;

/**
 * Waits for mail beyond the cursor: `mail` at once where there is some already, else a look every `poll_seconds`
 * finds it. Where change notifications can be relied on, nobody needs to wait here. @throws ProviderFailure
 */
export async function waitForMail(
  call: Microsoft365Call,
  folder: string,
  kept: unknown,
  untilMs: number,
): Promise<'mail' | 'timeout'> {
  const cursor = readCursor(kept);
  if (cursor?.phase !== 'follow') return 'mail';
  const graph = new Graph(call);
  if (cursor.of !== (await folderPath(graph, folder))) return 'mail';
  const known = new Set(cursor.done);
  while (Date.now() < untilMs) {
    if (await hasMail(graph, cursor, known)) return 'mail';
    await within(call, Math.min(call.settings.poll_seconds * 1000, untilMs - Date.now()));
  }
  return 'timeout';
}

async function hasMail(
  graph: Graph,
  { of, link }: CursorIn<'follow'>,
  known: ReadonlySet<string>,
): Promise<boolean> {
  try {
    const { mails } = await deltaPage(graph, of, link, graph.call.settings.batch_size);
    return mails.some(({ id }) => !known.has(id));
  } catch (error) {
    // The sync reads the folder anew.
    if (error instanceof ProviderFailure && error.code === 'microsoft365.cursor_expired')
      return true;
    throw error;
  }
}

async function within(call: Microsoft365Call, ms: number): Promise<void> {
  for (const end = Date.now() + ms; Date.now() < end;) {
    call.heartbeat();
    const left = Math.max(0, Math.min(HEARTBEAT_MS, end - Date.now()));
    await sleep(left, undefined, { signal: call.signal }).catch(() => call.signal.throwIfAborted());
  }
}

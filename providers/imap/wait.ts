import type { ImapFlow } from 'imapflow';
import { openFolder, searchUids, withConnection, type ImapCall } from './client.ts';
import { readCursor } from './cursor.ts';

/** Servers may drop an IDLE after 30 minutes (RFC 2177 §3). */
const IDLE_AT_MOST_MS = 25 * 60_000;
const HEARTBEAT_MS = 20_000;

/**
 * Waits for mail beyond the cursor: `mail` at once where there is some already, else as soon as the server tells
 * (IDLE) or a look every `poll_seconds` finds it. @throws ProviderFailure
 */
export async function waitForMail(
  call: ImapCall,
  folder: string,
  kept: unknown,
  untilMs: number,
): Promise<'mail' | 'timeout'> {
  const cursor = readCursor(kept);
  if (!cursor) return 'mail';
  return withConnection(call, async (client) => {
    // Before the folder is opened: what is told from then on is not missed.
    const told = new Told(client);
    const mailbox = await openFolder(client, call, folder, 'read');
    if (String(mailbox.uidValidity) !== cursor.uidvalidity) return 'mail';
    const lookAgainMs = Math.min(IDLE_AT_MOST_MS, call.settings.poll_seconds * 1000);
    while (Date.now() < untilMs) {
      if (await hasMailAfter(client, cursor.uid)) return 'mail';
      const idling = client.capabilities.has('IDLE') ? client.idle() : Promise.resolve();
      // It ends when the next command breaks it; a failure then shows in that command.
      idling.catch(() => undefined);
      await told.within(Math.min(lookAgainMs, untilMs - Date.now()), call);
    }
    return 'timeout';
  });
}

async function hasMailAfter(client: ImapFlow, uid: number): Promise<boolean> {
  // NOOP is when a server without IDLE may tell of new mail (RFC 3501 §6.1.2).
  await client.noop();
  const found = await searchUids(client, { uid: `${uid + 1}:*` });
  return found.some((candidate) => candidate > uid);
}

/** Remembers whether the server told of a change since it was last asked. */
class Told {
  #isTold = false;
  #wake: (() => void) | undefined;
  readonly #client: ImapFlow;

  constructor(client: ImapFlow) {
    this.#client = client;
    const tell = () => {
      this.#isTold = true;
      this.#wake?.();
    };
    client.on('exists', tell);
    client.on('close', tell);
  }

  /** Until told, closed, or `ms` passed; heartbeats, and throws where the call was cancelled. */
  async within(ms: number, call: ImapCall): Promise<void> {
    const end = Date.now() + ms;
    while (!this.#isTold && Date.now() < end) {
      call.heartbeat();
      await this.#sleep(Math.max(0, Math.min(HEARTBEAT_MS, end - Date.now())));
    }
    this.#isTold = false;
    call.signal.throwIfAborted();
    if (!this.#client.usable) throw new Error('The server ended the connection while waiting.');
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((done) => {
      const timer = setTimeout(done, ms);
      this.#wake = () => {
        clearTimeout(timer);
        done();
      };
    });
  }
}

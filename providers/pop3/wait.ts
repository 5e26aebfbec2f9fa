import { ProviderFailure } from '../../domain/failure.ts';
import { withSession, type Pop3Call } from './client.ts';
import { accountOf, readCursor, recognized, type Pop3Cursor } from './cursor.ts';
import { listMails } from './listing.ts';

const HEARTBEAT_MS = 20_000;

/**
 * POP3 tells nothing by itself: looks every `poll_seconds` whether there is a mail that the cursor does not know.
 * A mailbox in use by another client is looked at again the next time. @throws ProviderFailure
 */
export async function waitForMail(
  call: Pop3Call,
  _folder: string,
  kept: unknown,
  untilMs: number,
): Promise<'mail' | 'timeout'> {
  const cursor = readCursor(kept);
  if (!cursor || cursor.account !== accountOf(call.settings)) return 'mail';
  while (Date.now() < untilMs) {
    if (await hasNews(call, cursor)) return 'mail';
    await sleep(Math.min(call.settings.poll_seconds * 1000, untilMs - Date.now()), call);
  }
  return 'timeout';
}

async function hasNews(call: Pop3Call, cursor: Pop3Cursor): Promise<boolean> {
  try {
    const listed = await withSession(call, listMails);
    return recognized(
      cursor.looked,
      listed.map((mail) => mail.fingerprint),
    ).includes(false);
  } catch (error) {
    if (error instanceof ProviderFailure && error.class === 'wait') return false;
    throw error;
  }
}

/** Heartbeats meanwhile; throws where the call was cancelled. */
async function sleep(ms: number, call: Pop3Call): Promise<void> {
  const end = Date.now() + ms;
  for (;;) {
    call.heartbeat();
    call.signal.throwIfAborted();
    const left = end - Date.now();
    if (left <= 0) return;
    await pause(Math.min(HEARTBEAT_MS, left), call.signal);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const wake = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', wake);
      done();
    };
    const timer = setTimeout(wake, ms);
    signal.addEventListener('abort', wake);
  });
}

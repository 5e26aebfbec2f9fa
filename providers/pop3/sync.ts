import type { FetchedBatch } from '../contract.ts';
import { connect, leave, type Pop3Call } from './client.ts';
import { readCursor } from './cursor.ts';
import { pop3Failure } from './failure.ts';
import { Reading } from './reading.ts';
import type { Pop3Session } from './session.ts';

/**
 * New mail of the mailbox since the cursor, in the server's order. A session that breaks off, or that has marked much
 * for deletion (which only its orderly end commits), is followed by another that goes on where it was.
 * @throws ProviderFailure
 */
export async function* fetchMail(
  call: Pop3Call,
  _folder: string,
  kept: unknown,
): AsyncGenerator<FetchedBatch> {
  const reading = new Reading(call, readCursor(kept));
  while (!reading.isDone) {
    const session = await connect(call);
    try {
      yield* reading.through(session);
    } catch (error) {
      call.signal.throwIfAborted();
      throw pop3Failure(error, call.settings);
    } finally {
      await end(session, reading);
    }
  }
  yield* reading.rest();
}

async function end(session: Pop3Session, reading: Reading): Promise<void> {
  if (session.isUsable && (await leave(session))) reading.committed();
  session.destroy();
}

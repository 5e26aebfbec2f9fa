import { checkedServer } from '../connect.ts';
import type { ProviderCall } from '../contract.ts';
import { withHeartbeats } from '../heartbeats.ts';
import { loginWith, type Credentials } from '../mail-oauth.ts';
import { portOf } from '../mail-settings.ts';
import { pop3Failure } from './failure.ts';
import type { Pop3Settings } from './manifest.ts';
import { Pop3Session } from './session.ts';

export type Pop3Call = ProviderCall<Pop3Settings>;

export const DEFAULT_MAX_BYTES = 50 * 1024 * 1024;

/**
 * A session, logged in; closed when the call is cancelled. TLS as the settings say, never less.
 * @throws ProviderFailure
 */
export async function connect(call: Pop3Call): Promise<Pop3Session> {
  const { settings } = call;
  call.signal.throwIfAborted();
  try {
    return await withHeartbeats(call, () =>
      loginWith(
        call,
        (credentials) => loggedIn(call, credentials),
        (error) => pop3Failure(error, settings).class === 'reauthenticate',
      ),
    );
  } catch (error) {
    call.signal.throwIfAborted();
    throw pop3Failure(error, settings);
  }
}

async function loggedIn(call: Pop3Call, credentials: Credentials): Promise<Pop3Session> {
  const { settings } = call;
  const server = await checkedServer(call.network, settings);
  const { security } = settings;
  const session = new Pop3Session(
    { ...server, port: portOf('pop3', settings), security },
    call.timeoutMs,
  );
  const close = () => session.destroy();
  call.signal.addEventListener('abort', close, { once: true });
  session.once('error', () => {
    if (!session.isUsable) call.signal.removeEventListener('abort', close);
  });
  try {
    await session.connect();
    if ('accessToken' in credentials)
      await session.loginByToken(settings.username, credentials.accessToken);
    else await session.login(settings.username, credentials.password);
    return session;
  } catch (error) {
    session.destroy();
    throw error;
  }
}

/** Opens a session for `work` and ends it in any case. @throws ProviderFailure */
export async function withSession<T>(
  call: Pop3Call,
  work: (session: Pop3Session) => Promise<T>,
): Promise<T> {
  const session = await connect(call);
  try {
    const result = await work(session);
    await leave(session);
    return result;
  } catch (error) {
    call.signal.throwIfAborted();
    throw pop3Failure(error, call.settings);
  } finally {
    session.destroy();
  }
}

/** QUIT, which frees the mailbox and deletes what was marked. Returns whether the server said that it did. */
export async function leave(session: Pop3Session): Promise<boolean> {
  try {
    await session.QUIT();
    return true;
  } catch {
    return false; // what it did not delete stands in the cursor, and is deleted at the next look
  } finally {
    session.destroy();
  }
}

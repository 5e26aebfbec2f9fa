import { ImapFlow, type MailboxObject } from 'imapflow';
import type { ProviderCall } from '../contract.ts';
import { checkedServer } from '../connect.ts';
import { loginWith, type Credentials } from '../mail-oauth.ts';
import { withHeartbeats } from '../heartbeats.ts';
import { portOf } from '../mail-settings.ts';
import { imapFailure } from './failure.ts';
import type { ImapSettings } from './manifest.ts';

export type ImapCall = ProviderCall<ImapSettings>;

/** How large one response may be beyond the size a server announced, before the connection is given up. */
const SLACK_BYTES = 64 * 1024 * 1024;
export const DEFAULT_MAX_BYTES = 50 * 1024 * 1024;

/**
 * A connection, logged in; closed when the call is cancelled. TLS as the settings say, never less.
 * @throws ProviderFailure
 */
export async function connect(call: ImapCall): Promise<ImapFlow> {
  const { settings } = call;
  call.signal.throwIfAborted();
  try {
    return await loginWith(
      call,
      (credentials) => loggedIn(call, credentials),
      (error) => imapFailure(error, settings).class === 'reauthenticate',
    );
  } catch (error) {
    call.signal.throwIfAborted();
    throw imapFailure(error, settings);
  }
}

async function loggedIn(call: ImapCall, credentials: Credentials): Promise<ImapFlow> {
  const { settings } = call;
  const server = await checkedServer(call.network, settings);
  const client = new ImapFlow({
    host: server.address,
    port: portOf('imap', settings),
    secure: settings.security === 'tls',
    // undefined would upgrade where the server offers it: true insists, false never does.
    doSTARTTLS: settings.security === 'tls' ? undefined : settings.security === 'starttls',
    servername: server.servername,
    tls: server.tls,
    auth: {
      user: settings.username,
      ...('accessToken' in credentials
        ? { accessToken: credentials.accessToken }
        : { pass: credentials.password }),
    },
    clientInfo: { name: 'Postroom' },
    logger: false,
    disableAutoIdle: true,
    disableCompression: true,
    connectionTimeout: call.timeoutMs,
    greetingTimeout: call.timeoutMs,
    socketTimeout: call.timeoutMs,
    maxLiteralSize: (call.maxBytes ?? DEFAULT_MAX_BYTES) + SLACK_BYTES,
  });
  // Without a listener a lost connection ends the process; the command under way gets the error too.
  client.on('error', (error) => call.log.debug({ err: error }, 'imap connection failed'));
  const close = () => client.close();
  call.signal.addEventListener('abort', close, { once: true });
  client.once('close', () => call.signal.removeEventListener('abort', close));
  await withHeartbeats(call, () => client.connect());
  return client;
}

/** Opens a connection for `work` and ends it in any case; a cut is classified. @throws ProviderFailure */
export async function withConnection<T>(
  call: ImapCall,
  work: (client: ImapFlow) => Promise<T>,
): Promise<T> {
  const client = await connect(call);
  try {
    const result = await work(client);
    await leave(client);
    return result;
  } catch (error) {
    call.signal.throwIfAborted();
    throw imapFailure(error, call.settings);
  } finally {
    client.close();
  }
}

/** LOGOUT, so that the server frees the session at once; a lost connection is as good. */
export async function leave(client: ImapFlow): Promise<void> {
  await client.logout().catch(() => client.close());
}

/** SELECT, or EXAMINE where nothing is to be changed. @throws ProviderFailure */
export async function openFolder(
  client: ImapFlow,
  call: ImapCall,
  folder: string,
  access: 'read' | 'write',
): Promise<MailboxObject> {
  try {
    return await client.mailboxOpen(folder, { readOnly: access === 'read' });
  } catch (error) {
    throw imapFailure(error, call.settings, folder);
  }
}

/** UIDs in rising order; an unanswered SEARCH is an error and not an empty folder. */
export async function searchUids(
  client: ImapFlow,
  query: Parameters<ImapFlow['search']>[0],
): Promise<number[]> {
  const found = await client.search(query, { uid: true });
  if (!Array.isArray(found)) throw new Error('The server did not answer the search.');
  return found.sort((a, b) => a - b);
}

import type { Readable } from 'node:stream';
import SMTPConnection, {
  type SMTPConnectionAuth,
  type SMTPConnectionSendInfo,
  type SMTPEnvelope,
} from 'nodemailer/lib/smtp-connection';
import XOAuth2 from 'nodemailer/lib/xoauth2';
import { ProviderFailure } from '../domain/failure.ts';
import { checkedServer } from './connect.ts';
import type { ProviderCall } from './contract.ts';
import { withHeartbeats } from './heartbeats.ts';
import { loginWith, type Credentials, type WithOauth } from './mail-oauth.ts';
import { portOf, type OutgoingServer } from './mail-settings.ts';

/** A server that scans mail may be long about its answer, and giving up early sends twice (RFC 5321 §4.5.3.2.6). */
const PATIENCE = 4;

export interface SmtpSession {
  readonly send: (envelope: SMTPEnvelope, mail: Readable) => Promise<SMTPConnectionSendInfo>;
}

/**
 * Connects to the checked address, with TLS as the settings say and never less, and logs in where they name a user.
 * A cancelled call closes the connection, unless the mail's end is out: then the answer is waited for.
 */
export async function withSubmission<T>(
  call: ProviderCall<WithOauth>,
  server: OutgoingServer,
  end: { readonly isOpen: boolean },
  use: (session: SmtpSession) => Promise<T>,
): Promise<T> {
  const connected = async (credentials: Credentials | null) => {
    const connection = await prepared(call, server);
    const failed = failureOf(connection);
    const close = () => {
      if (!end.isOpen) connection.close();
    };
    call.signal.addEventListener('abort', close, { once: true });
    try {
      const login = loginOf(call, server, credentials);
      const result = await withHeartbeats(call, () =>
        Promise.race([failed, conversation(connection, login, use)]),
      );
      connection.quit();
      return result;
    } catch (error) {
      connection.close();
      throw error;
    } finally {
      call.signal.removeEventListener('abort', close);
    }
  };
  if (server.oauth !== true) return connected(null);
  if (!call.settings.oauth) throw noOauth();
  // A refused login alone is tried again: by then nothing was sent.
  return loginWith(call, connected, (error) => (error as { code?: string }).code === 'EAUTH');
}

/** What nodemailer logs in by; null where no login is wanted. */
function loginOf(
  { settings }: ProviderCall<WithOauth>,
  { username, password }: OutgoingServer,
  credentials: Credentials | null,
): SMTPConnectionAuth | null {
  if (credentials && 'accessToken' in credentials) {
    const user = username ?? settings.username ?? '';
    return { user, oauth2: new XOAuth2({ user, accessToken: credentials.accessToken }) };
  }
  return username === undefined ? null : { user: username, pass: password };
}

function noOauth(): ProviderFailure {
  return new ProviderFailure({
    code: 'smtp.no_oauth',
    class: 'give_up',
    message:
      'The outgoing server is to be logged in to by OAuth, and the channel has no "oauth": set it, or username and password of the outgoing server.',
  });
}

async function prepared(
  call: ProviderCall<unknown>,
  server: OutgoingServer,
): Promise<SMTPConnection> {
  const { address, servername, tls } = await checkedServer(call.network, server);
  return new SMTPConnection({
    host: address,
    port: portOf('submission', server),
    secure: server.security === 'tls',
    requireTLS: server.security === 'starttls',
    ignoreTLS: server.security === 'none',
    servername,
    tls,
    connectionTimeout: call.timeoutMs,
    greetingTimeout: call.timeoutMs,
    socketTimeout: call.timeoutMs * PATIENCE,
  });
}

/** Rejects when the connection fails; its listener stays, because without one a late error ends the process. */
function failureOf(connection: SMTPConnection): Promise<never> {
  const failed = new Promise<never>((_, fail) => {
    connection.on('error', fail);
    // The reason, where there is one, is told right after the end.
    connection.on('end', () => setImmediate(() => fail(new Error('The connection was closed.'))));
  });
  failed.catch(() => undefined); // heard by the race, if it is still on
  return failed;
}

async function conversation<T>(
  connection: SMTPConnection,
  login: SMTPConnectionAuth | null,
  use: (session: SmtpSession) => Promise<T>,
): Promise<T> {
  await answered<void>((done) => connection.connect(done));
  if (login) await answered((done) => connection.login(login, done));
  return use({
    send: (envelope, mail) => answered((done) => connection.send(envelope, mail, done)),
  });
}

function answered<T>(
  ask: (done: (error: Error | null | undefined, result?: T) => void) => void,
): Promise<T> {
  return new Promise((done, fail) => {
    ask((error, result) => (error ? fail(error) : done(result as T))); // without an error there is a result
  });
}

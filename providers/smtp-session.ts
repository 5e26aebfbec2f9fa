import type { Readable } from 'node:stream';
import SMTPConnection, {
  type SMTPConnectionSendInfo,
  type SMTPEnvelope,
} from 'nodemailer/lib/smtp-connection';
import { checkedServer } from './connect.ts';
import type { ProviderCall } from './contract.ts';
import { withHeartbeats } from './heartbeats.ts';
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
  call: ProviderCall<unknown>,
  server: OutgoingServer,
  end: { readonly isOpen: boolean },
  use: (session: SmtpSession) => Promise<T>,
): Promise<T> {
  const connection = await prepared(call, server);
  const failed = failureOf(connection);
  const close = () => {
    if (!end.isOpen) connection.close();
  };
  call.signal.addEventListener('abort', close, { once: true });
  try {
    const result = await withHeartbeats(call, () =>
      Promise.race([failed, conversation(connection, server, use)]),
    );
    connection.quit();
    return result;
  } catch (error) {
    connection.close();
    throw error;
  } finally {
    call.signal.removeEventListener('abort', close);
  }
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
  server: OutgoingServer,
  use: (session: SmtpSession) => Promise<T>,
): Promise<T> {
  await answered<void>((done) => connection.connect(done));
  const { username, password } = server;
  if (username !== undefined)
    await answered((done) => connection.login({ user: username, pass: password }, done));
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

import { ProviderFailure, type FailureClass } from '../../domain/failure.ts';
import { connectionProblem, serverWords } from '../connect.ts';
import { portOf } from '../mail-settings.ts';
import type { ImapSettings } from './manifest.ts';

/** What imapflow attaches to its errors. */
interface ImapError {
  readonly code?: string;
  readonly authenticationFailed?: boolean;
  readonly tlsFailed?: boolean;
  readonly mailboxMissing?: boolean;
  readonly serverResponseCode?: string;
  readonly responseStatus?: string;
  readonly responseText?: string;
  readonly response?: unknown;
  readonly reason?: string;
  readonly throttleReset?: number;
  readonly message?: string;
}

/** Response codes (RFC 5530) and words by which a server says: not now. */
const NOT_NOW_CODES = new Set(['UNAVAILABLE', 'INUSE', 'LIMIT', 'SERVERBUG', 'OVERQUOTA']);
const NOT_NOW_WORDS =
  /too many|maximum (number|userip)|simultaneous|connection limit|try again|temporar|unavailable|overload|rate|throttl|internal (server )?error/i;
const WAIT_MS = 60_000;

/** Classifies an error of an IMAP connection. @param folder the folder that was being opened, if any */
export function imapFailure(
  error: unknown,
  settings: ImapSettings,
  folder?: string,
): ProviderFailure {
  if (error instanceof ProviderFailure) return error;
  const seen = error as ImapError; // only ever read, and each field may be missing
  const words = serverWords(
    seen.responseText ?? seen.reason ?? (typeof seen.response === 'string' ? seen.response : ''),
  );
  const said = words === '' ? '' : ` The server says: "${words}".`;
  const failure = (
    code: string,
    kind: FailureClass,
    message: string,
    retryAfterMs = seen.throttleReset,
  ) =>
    new ProviderFailure(
      { code: `imap.${code}`, class: kind, message, retryAfterMs },
      { cause: error },
    );

  const problem = connectionProblem(error, settings.host, portOf('imap', settings));
  if (problem) return failure(problem.code, problem.passing ? 'retry' : 'give_up', problem.detail);
  if (seen.tlsFailed)
    return failure(
      'tls_failed',
      'retry',
      `${settings.host} does not offer STARTTLS, or the upgrade failed; nothing is sent in plain instead. Use security "tls" if the server wants it.`,
    );
  const notNow =
    seen.code === 'ETHROTTLE' ||
    NOT_NOW_CODES.has(seen.serverResponseCode ?? '') ||
    NOT_NOW_WORDS.test(words);
  if (notNow)
    return failure(
      'busy',
      'wait',
      `${settings.host} asks us to come back later.${said}`,
      seen.throttleReset ?? WAIT_MS,
    );
  if (seen.authenticationFailed && /disabled/i.test(seen.message ?? ''))
    return failure(
      'login_disabled',
      'give_up',
      `${settings.host} takes no login without TLS. Use security "starttls" or "tls".`,
    );
  if (seen.authenticationFailed)
    return failure(
      'login_refused',
      'reauthenticate',
      `${settings.host} refuses the login. Check username and password; many providers want an app password.${said}`,
    );
  if (folder !== undefined && (seen.mailboxMissing || seen.serverResponseCode === 'NONEXISTENT'))
    return failure(
      'folder_missing',
      'give_up',
      `There is no folder "${folder}" on ${settings.host}. Choose another, or make it there.`,
    );
  if (folder !== undefined && seen.responseStatus === 'NO')
    return failure('folder_refused', 'give_up', `Folder "${folder}" can't be opened.${said}`);
  return failure(
    LOST.has(seen.code ?? '') ? 'connection_lost' : 'failed',
    'retry',
    `The connection to ${settings.host} failed: ${serverWords(seen.message)}.${said}`,
  );
}

const LOST = new Set([
  'NoConnection',
  'EConnectionClosed',
  'StateLogout',
  'ClosedAfterConnectText',
  'ClosedAfterConnectTLS',
  'GREETING_TIMEOUT',
  'ETIMEOUT',
  'ECONNRESET',
  'EPIPE',
]);

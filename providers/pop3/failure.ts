import { ProviderFailure, type FailureClass } from '../../domain/failure.ts';
import { connectionProblem, serverWords } from '../connect.ts';
import { portOf } from '../mail-settings.ts';
import type { Pop3Settings } from './manifest.ts';
import { Pop3Lost, Pop3Refusal, StlsFailed } from './session.ts';

/** How long a mailbox is left alone that is in use, perhaps by our own look, or whose server is in trouble for a moment. */
const SOON_MS = 10_000;
/** The same, where the server wants fewer logins. */
const LATER_MS = 60_000;
const LOCKED_WORDS = /\block|in use|already (open|logged|connected)|another (session|client|pop)/i;
const NOT_NOW_WORDS =
  /too many|maximum|simultaneous|try (it )?again|temporar|unavailable|overload|\brate\b|throttl|internal (server )?error|login.?delay|too (often|frequent)/i;

/** Classifies an error of a POP3 session. */
export function pop3Failure(error: unknown, settings: Pop3Settings): ProviderFailure {
  if (error instanceof ProviderFailure) return error;
  const { host } = settings;
  const failure = (code: string, kind: FailureClass, message: string, retryAfterMs?: number) =>
    new ProviderFailure(
      { code: `pop3.${code}`, class: kind, message, retryAfterMs },
      { cause: error },
    );

  if (error instanceof StlsFailed)
    return failure(
      'tls_failed',
      'retry',
      `${host} does not offer STARTTLS, or the upgrade failed; nothing is sent in plain instead. Use security "tls" if the server wants it.`,
    );
  if (error instanceof Pop3Refusal) return refused(error);
  const problem = connectionProblem(error, host, portOf('pop3', settings));
  if (problem) return failure(problem.code, problem.passing ? 'retry' : 'give_up', problem.detail);
  const words = serverWords(error instanceof Error ? error.message : String(error));
  return failure(
    error instanceof Pop3Lost ? 'connection_lost' : 'failed',
    'retry',
    `The connection to ${host} failed: ${words}`,
  );

  function refused({ verb, code, message }: Pop3Refusal): ProviderFailure {
    const words = serverWords(message);
    const said = words === '' ? '' : ` The server says: "${words}".`;
    if (code === 'IN-USE' || (code === null && LOCKED_WORDS.test(message)))
      return failure(
        'locked',
        'wait',
        `The mailbox on ${host} is in use by another client; POP3 lets in one at a time. It is tried again.${said}`,
        SOON_MS,
      );
    if (
      code === 'LOGIN-DELAY' ||
      code === 'SYS/TEMP' ||
      (code === null && NOT_NOW_WORDS.test(message))
    )
      return failure(
        'busy',
        'wait',
        `${host} asks us to come back later.${said}`,
        code === 'SYS/TEMP' ? SOON_MS : LATER_MS,
      );
    if (code !== 'AUTH' && /disabled|not allowed|plaintext|cleartext|encrypt/i.test(message))
      return failure(
        'login_disabled',
        'give_up',
        `${host} takes no such login. Use security "starttls" or "tls", and check that POP3 is switched on for the account.${said}`,
      );
    if (verb === 'USER' || verb === 'PASS' || verb === 'AUTH')
      return failure(
        'login_refused',
        'reauthenticate',
        `${host} refuses the login. Check username and password; many providers want an app password, or POP3 switched on in the account's settings.${said}`,
      );
    if (verb === 'UIDL')
      return failure(
        'no_uidl',
        'give_up',
        `${host} can't tell its mails apart: it does not know the command UIDL. Read this mailbox by IMAP, or let the server forward its mail.${said}`,
      );
    return failure('failed', 'retry', `${host} refuses the command ${verb}.${said}`);
  }
}

import { ProviderFailure, type FailureClass } from '../domain/failure.ts';
import { connectionProblem, serverWords } from './connect.ts';
import { portOf, type OutgoingServer } from './mail-settings.ts';

/** What nodemailer attaches to its errors. */
interface SmtpError {
  readonly code?: string;
  readonly responseCode?: number;
  readonly response?: string;
  readonly command?: string;
  readonly message?: string;
}

const WAIT_MS = 60_000;

/** How a submission server's reply code (RFC 5321 §4.2, RFC 4954 §6) is to be met. */
export function classOfReply(code: number): FailureClass {
  if (code === 530 || code === 534 || code === 535 || code === 538) return 'reauthenticate';
  if (code === 421 || code === 450 || code === 451 || code === 452) return 'wait';
  return code >= 500 ? 'give_up' : 'retry';
}

/** Classifies an error of a submission. @param isTransmitted the whole mail may have reached the server */
export function smtpFailure(
  error: unknown,
  server: OutgoingServer,
  isTransmitted = false,
): ProviderFailure {
  if (error instanceof ProviderFailure) return error;
  const seen = error as SmtpError; // only ever read, and each field may be missing
  const failure = (code: string, kind: FailureClass, message: string, more: object = {}) =>
    new ProviderFailure({ code: `smtp.${code}`, class: kind, message, ...more }, { cause: error });

  if (seen.code === 'ETLS')
    return failure(
      'tls_failed',
      'retry',
      `No TLS connection came about with ${server.host}: it may not offer STARTTLS. Nothing is sent in plain instead; check "security" and port.`,
    );
  if (seen.responseCode !== undefined) return replied(seen, failure);
  if (isTransmitted)
    return failure(
      'answer_lost',
      'retry',
      `${server.host} took the whole mail, but its answer never came: it may have been sent.`,
      { uncertain: true },
    );
  const problem = connectionProblem(error, server.host, portOf('submission', server));
  if (problem) return failure(problem.code, problem.passing ? 'retry' : 'give_up', problem.detail);
  if (seen.code === 'ESTREAM')
    return failure(
      'content_unreadable',
      'retry',
      'The mail’s content could not be read; nothing was sent.',
    );
  if (seen.code === 'EAUTH')
    return failure('login_refused', 'reauthenticate', loginRefused(server, seen));
  if (seen.code === 'EENVELOPE' || seen.code === 'EMESSAGE')
    return failure(
      'not_sendable',
      'give_up',
      `The mail can't be sent: ${serverWords(seen.message)}.`,
    );
  return failure(
    'connection_lost',
    'retry',
    `The connection to ${server.host} failed before the mail was sent: ${serverWords(seen.message)}.`,
  );

  function replied(reply: SmtpError, fail: typeof failure): ProviderFailure {
    const status = reply.responseCode!;
    const kind = kindOf(reply, status);
    const details = { status, ...(kind === 'wait' && { retryAfterMs: WAIT_MS }) };
    if (kind === 'reauthenticate')
      return fail('login_refused', kind, loginRefused(server, reply), details);
    const refused = kind === 'give_up' ? 'refuses' : 'can’t take now';
    const what = WHAT[(reply.command ?? '').split(' ')[0]!] ?? 'the mail';
    return fail(
      `${kind === 'give_up' ? 'refused' : 'deferred'}_${status}`,
      kind,
      `${server.host} ${refused} ${what}. The server says: "${serverWords(reply.response)}".`,
      details,
    );
  }
}

function kindOf({ code, command }: SmtpError, status: number): FailureClass {
  if (code === 'EAUTH' && status >= 500) return 'reauthenticate';
  const kind = classOfReply(status);
  // Refused before the mail was spoken of: another day the server may take it.
  return kind === 'give_up' && (command === 'CONN' || command === 'EHLO') ? 'retry' : kind;
}

const WHAT: Record<string, string> = {
  CONN: 'the connection',
  EHLO: 'the connection',
  MAIL: 'the sender',
  RCPT: 'every recipient',
  DATA: 'the mail',
};

function loginRefused(server: OutgoingServer, reply: SmtpError): string {
  const said = serverWords(reply.response);
  const wants =
    server.username === undefined
      ? `${server.host} wants a login: set username and password of the outgoing server.`
      : `${server.host} refuses the login. Check username and password of the outgoing server.`;
  return said === '' ? wants : `${wants} The server says: "${said}".`;
}

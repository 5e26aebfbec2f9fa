import { GraphClientError, GraphError } from '@microsoft/microsoft-graph-client';
import { ProviderFailure, type FailureClass } from '../../domain/failure.ts';
import { connectionProblem, serverWords } from '../connect.ts';
import { cloudOf } from './cloud.ts';
import type { Microsoft365Settings } from './manifest.ts';

const WAIT_MS = 60_000;
/** No Retry-After holds a mailbox longer than this. */
const LONGEST_WAIT_MS = 3_600_000;

/**
 * Classifies an error of a request to Graph (https://learn.microsoft.com/graph/errors). Nothing a caller named is in
 * the message, and no address. An error that is none of the request's is given back as it is.
 * @param permission the least one that the request needs
 */
export function graphFailure(
  error: unknown,
  settings: Microsoft365Settings,
  permission?: string,
): unknown {
  if (error instanceof GraphError && error.statusCode >= 400) return answered(error, permission);
  // The library wraps what the network threw, and an answer that broke off in the middle.
  if (error instanceof GraphClientError || error instanceof GraphError)
    return networkFailure(
      (error as GraphClientError).customError ?? error,
      cloudOf(settings).graph,
    );
  return error;
}

/** What the network threw, as `graphFailure` knows it: the library keeps nothing of other errors but their words. */
export function networkFault(error: unknown): GraphClientError {
  const fault = new GraphClientError('The request failed.');
  fault.customError = error;
  return fault;
}

/** Classifies an error of a connection to `url`. */
export function networkFailure(error: unknown, url: string): ProviderFailure {
  const { hostname, port, protocol } = new URL(url);
  for (let at = error; at instanceof Error; at = at.cause) {
    const problem = connectionProblem(
      at,
      hostname,
      Number(port || (protocol === 'http:' ? 80 : 443)),
    );
    if (problem)
      return failure(
        problem.code,
        problem.passing ? 'retry' : 'give_up',
        problem.detail,
        {},
        error,
      );
  }
  const isLate = (error as { name?: unknown } | null)?.name === 'TimeoutError'; // whatever was thrown
  return failure(
    isLate ? 'no_answer' : 'connection_lost',
    'retry',
    isLate
      ? `${hostname} did not answer in time.`
      : `The connection to ${hostname} failed: ${serverWords(error instanceof Error ? error.message : '')}.`,
    {},
    error,
  );
}

function answered(error: GraphError, permission: string | undefined): ProviderFailure {
  const status = error.statusCode;
  const code = error.code ?? '';
  const said = code === '' || /^[A-Z]\w*Error$/.test(code) ? '' : ` (${code})`;
  const fail = (name: string, kind: FailureClass, message: string, retryAfterMs?: number) =>
    failure(
      name,
      kind,
      message,
      { status, ...(retryAfterMs !== undefined && { retryAfterMs }) },
      error,
    );

  const retryAfterMs = retryAfter(error.headers?.get('retry-after') ?? null);
  if (status === 429 || status === 509 || (status === 503 && retryAfterMs !== undefined))
    return fail(
      'throttled',
      'wait',
      `Microsoft 365 asks us to come back later${said}.`,
      retryAfterMs ?? WAIT_MS,
    );
  if (status === 401)
    return fail(
      'token_refused',
      'reauthenticate',
      `Microsoft 365 refuses the access token${said}. Connect the account again, or check the app’s credentials.`,
    );
  if (status === 410 || /sync_?state|resyncRequired/i.test(code))
    return fail('cursor_expired', 'retry', 'Microsoft 365 has forgotten where the reading stood.');
  if (/SendAsDenied/i.test(code))
    return fail(
      'send_as_denied',
      'give_up',
      'The mailbox may not send under this channel’s address. Grant it "Send As", or use the mailbox’s own address.',
    );
  if (status === 403) {
    const missing = permission === undefined ? 'A permission' : `The permission ${permission}`;
    return fail(
      'permission_missing',
      'reauthenticate',
      `${missing} is missing, or does not reach this mailbox${said}. Grant it to the app in Microsoft Entra with admin consent, or connect the account again.`,
    );
  }
  if (/InvalidUser|MailboxNotEnabled|MailboxNotFound|^Request_ResourceNotFound$/i.test(code))
    return fail(
      'mailbox_missing',
      'give_up',
      `Microsoft 365 knows no such mailbox${said}. Check "mailbox".`,
    );
  if (status === 404) return fail('not_found', 'give_up', `Microsoft 365 has no such item${said}.`);
  if (status === 413)
    return fail(
      'too_large',
      'give_up',
      'The mail is larger than Microsoft 365 takes: 4 MB of text, 150 MB a file.',
    );
  if (status === 408 || status === 409 || status === 412 || status === 423)
    return fail('conflict', 'retry', `Microsoft 365 was busy with this item${said}.`);
  if (status >= 500)
    return fail('server_error', 'retry', `Microsoft 365 failed to answer (${status})${said}.`);
  return fail(
    `refused_${status}`,
    'give_up',
    `Microsoft 365 refuses the request (${status})${said}. It says: "${serverWords(error.message)}".`,
  );
}

/** Seconds, or a date (RFC 9110 §10.2.3), in milliseconds from now. */
export function retryAfter(header: string | null): number | undefined {
  if (header === null) return undefined;
  const seconds = /^\d+$/.test(header.trim())
    ? Number(header)
    : (Date.parse(header) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(seconds * 1000, 0), LONGEST_WAIT_MS);
}

export function failure(
  code: string,
  kind: FailureClass,
  message: string,
  more: { status?: number; retryAfterMs?: number } = {},
  cause?: unknown,
): ProviderFailure {
  return new ProviderFailure(
    { code: `microsoft365.${code}`, class: kind, message, ...more },
    { cause },
  );
}

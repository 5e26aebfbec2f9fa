import { ProviderFailure, type FailureClass } from '../../domain/failure.ts';
import { connectionProblem, serverWords } from '../connect.ts';

const WAIT_MS = 30_000;
/** A spent daily quota comes back at midnight, Pacific time; looked at again each hour. */
const DAILY_WAIT_MS = 3_600_000;

/** Google's error body (https://developers.google.com/workspace/gmail/api/guides/handle-errors, AIP-193). */
interface GoogleError {
  readonly error?: {
    readonly message?: string;
    readonly status?: string;
    readonly errors?: readonly { readonly reason?: string; readonly message?: string }[];
    readonly details?: readonly { readonly reason?: string }[];
  };
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly retryAfter?: string | null;
}

/** What an answer of the Gmail API other than 2xx means. */
export function gmailFailure(answer: Answer): ProviderFailure {
  const { status } = answer;
  const { error } = (answer.body ?? {}) as GoogleError; // only ever read, and each field may be missing
  const reasons = new Set(
    [...(error?.errors ?? []), ...(error?.details ?? [])].map(({ reason }) => reason ?? ''),
  );
  const words = serverWords(error?.message);
  const said = words === '' ? '' : ` Google says: "${words}".`;
  const failure = (code: string, kind: FailureClass, message: string, retryAfterMs?: number) =>
    new ProviderFailure({
      code: `gmail.${code}`,
      class: kind,
      message: message + said,
      status,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    });

  if (status === 401)
    return failure('token_refused', 'reauthenticate', 'Google refuses the access token.');
  if (reasons.has('dailyLimitExceeded'))
    return failure(
      'quota_spent',
      'wait',
      'The Google Cloud project’s quota for today is spent.',
      waitOf(answer, words) ?? DAILY_WAIT_MS,
    );
  if (status === 429 || (status === 403 && QUOTA.some((reason) => reasons.has(reason))))
    return failure(
      'too_many',
      'wait',
      'Gmail asks us to come back later.',
      waitOf(answer, words) ?? WAIT_MS,
    );
  if (reasons.has('accessNotConfigured') || reasons.has('SERVICE_DISABLED'))
    return failure(
      'api_disabled',
      'give_up',
      'The Gmail API is not enabled in the Google Cloud project of this OAuth client: enable it there.',
    );
  if (reasons.has('domainPolicy'))
    return failure(
      'domain_policy',
      'give_up',
      'The administrators of this Google domain don’t let apps use Gmail: they have to allow this one.',
    );
  if (status === 403 && /pub\/?sub/i.test(words))
    return failure(
      'topic_refused',
      'give_up',
      'Gmail may not publish to the Pub/Sub topic: give gmail-api-push@system.gserviceaccount.com the role Pub/Sub Publisher on it.',
    );
  if (status === 403)
    return failure(
      'not_permitted',
      'reauthenticate',
      'The consent does not allow this: connect the account again and leave all boxes ticked.',
    );
  if (status === 404) return failure('not_found', 'give_up', 'Gmail does not know it (any more).');
  if (status === 413)
    return failure('too_large', 'give_up', 'The mail is larger than Gmail takes.');
  if (status >= 500 || status === 408)
    return failure(
      'unavailable',
      'retry',
      'Gmail failed; it is tried again.',
      waitOf(answer, words),
    );
  return failure('refused', 'give_up', `Gmail refuses the request (${status}).`);
}

const QUOTA = [
  'rateLimitExceeded',
  'userRateLimitExceeded',
  'quotaExceeded',
  'RATE_LIMIT_EXCEEDED',
];

/** Retry-After (RFC 9110 §10.2.3), or the time that Gmail writes into its message. */
function waitOf({ retryAfter }: Answer, words: string): number | undefined {
  const told = retryAfter ?? /Retry after (\S+)/i.exec(words)?.[1];
  if (told == null) return undefined;
  const ms = /^\d+$/.test(told) ? Number(told) * 1000 : Date.parse(told) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

/** What an answer of the token endpoint other than 200 means (RFC 6749 §5.2). */
export function tokenFailure(answer: Answer): ProviderFailure {
  const { status } = answer;
  const said = (answer.body ?? {}) as Record<string, unknown>; // a proxy may answer anything
  const words = serverWords(
    [said.error_description, said.error].find((text) => typeof text === 'string'),
  );
  const failure = (code: string, kind: FailureClass, message: string, retryAfterMs?: number) =>
    new ProviderFailure({
      code: `gmail.${code}`,
      class: kind,
      message: words === '' ? message : `${message} Google says: "${words}".`,
      status,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    });
  if (said.error === 'invalid_grant')
    return failure(
      'consent_revoked',
      'reauthenticate',
      'The consent was revoked, has expired, or was given to another app: connect the account again.',
    );
  if (said.error === 'invalid_client' || said.error === 'unauthorized_client')
    return failure(
      'client_refused',
      'reauthenticate',
      'Google does not accept the OAuth client: check client_id and client_secret.',
    );
  if (status === 429)
    return failure(
      'too_many',
      'wait',
      'Google asks us to come back later.',
      waitOf(answer, words) ?? WAIT_MS,
    );
  if (status >= 500 || status === 401 || status === 408)
    return failure('unavailable', 'retry', 'Google gave no token; it is tried again.');
  return failure('token_failed', 'give_up', `Google gives no token (${status}).`);
}

const MAY_HAVE_ARRIVED = new Set(
  ['timeout', 'connection_lost', 'unreachable', 'unavailable'].map((code) => `gmail.${code}`),
);

/** Whether a request that failed so may have been carried out all the same. */
export function mayHaveHappened({ code }: ProviderFailure): boolean {
  return MAY_HAVE_ARRIVED.has(code);
}

interface Cause {
  readonly name?: string;
  readonly code?: string | number;
  readonly cause?: Cause;
}

/** A request that got no answer. */
export function lostFailure(error: unknown, url: URL): ProviderFailure {
  if (error instanceof ProviderFailure) return error;
  const failure = (code: string, kind: FailureClass, message: string) =>
    new ProviderFailure({ code: `gmail.${code}`, class: kind, message }, { cause: error });
  const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
  // A DOMException of another realm is no Error of ours: what it holds tells.
  for (let cause = error as Cause | undefined; cause; cause = cause.cause) {
    if (cause.name === 'TimeoutError')
      return failure('timeout', 'retry', `${url.hostname} did not answer in time.`);
    if (typeof cause.code === 'number') continue; // a DOMException's, which says nothing of a connection
    const problem = connectionProblem(cause, url.hostname, port);
    if (problem)
      return failure(problem.code, problem.passing ? 'retry' : 'give_up', problem.detail);
    if (cause.code === 'UND_ERR_CONNECT_TIMEOUT')
      return failure('unreachable', 'retry', `${url.hostname} can't be reached.`);
  }
  return failure('connection_lost', 'retry', `The connection to ${url.hostname} was lost.`);
}

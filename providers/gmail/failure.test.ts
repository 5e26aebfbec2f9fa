import { describe, expect, it } from '@jest/globals';
import { gmailFailure, lostFailure, mayHaveHappened, tokenFailure } from './failure.ts';

/** An error as Gmail words it (https://developers.google.com/workspace/gmail/api/guides/handle-errors). */
const body = (code: number, reason: string, message: string, domain = 'usageLimits') => ({
  error: { code, message, errors: [{ domain, reason, message }] },
});
const at = new URL('https://gmail.googleapis.com/gmail/v1/users/me/profile');

describe('what Gmail answers', () => {
  it.each([
    [403, 'rateLimitExceeded', 'gmail.too_many', 'wait', 30_000],
    [403, 'userRateLimitExceeded', 'gmail.too_many', 'wait', 30_000],
    [429, 'rateLimitExceeded', 'gmail.too_many', 'wait', 30_000],
    [403, 'dailyLimitExceeded', 'gmail.quota_spent', 'wait', 3_600_000],
    [403, 'domainPolicy', 'gmail.domain_policy', 'give_up', undefined],
    [403, 'accessNotConfigured', 'gmail.api_disabled', 'give_up', undefined],
    [403, 'insufficientPermissions', 'gmail.not_permitted', 'reauthenticate', undefined],
    [401, 'authError', 'gmail.token_refused', 'reauthenticate', undefined],
    [404, 'notFound', 'gmail.not_found', 'give_up', undefined],
    [400, 'invalidArgument', 'gmail.refused', 'give_up', undefined],
    [413, 'uploadTooLarge', 'gmail.too_large', 'give_up', undefined],
    [500, 'backendError', 'gmail.unavailable', 'retry', undefined],
    [503, 'backendError', 'gmail.unavailable', 'retry', undefined],
  ])('%i %s is %s: %s', (status, reason, code, kind, retryAfterMs) => {
    const failure = gmailFailure({ status, body: body(status, reason, 'Words') });
    expect(failure).toMatchObject({ code, class: kind, status, retryAfterMs });
    expect(failure.message).toContain('Google says: "Words".');
  });

  it('says how long to wait, in a header or in words', () => {
    const inHeader = gmailFailure({ status: 429, body: null, retryAfter: '7' });
    expect(inHeader.retryAfterMs).toBe(7000);
    const soon = new Date(Date.now() + 90_000).toISOString();
    const words = `User-rate limit exceeded.  Retry after ${soon} (Mail sending)`;
    const inWords = gmailFailure({ status: 429, body: body(429, 'rateLimitExceeded', words) });
    expect(inWords.retryAfterMs).toBeGreaterThan(80_000);
    expect(inWords.retryAfterMs).toBeLessThanOrEqual(90_000);
  });

  it('is met where a proxy answered instead, and names no address', () => {
    expect(gmailFailure({ status: 502, body: '<html>Bad gateway</html>' })).toMatchObject({
      class: 'retry',
    });
    const { message } = gmailFailure({
      status: 400,
      body: body(400, 'invalidArgument', 'Invalid To header: ada@x.test'),
    });
    expect(message).not.toContain('ada@x.test');
  });
});

describe('what the token end answers', () => {
  it.each([
    [400, { error: 'invalid_grant', error_description: 'Token has been expired or revoked.' }, 'gmail.consent_revoked', 'reauthenticate'], // prettier-ignore
    [401, { error: 'invalid_client' }, 'gmail.client_refused', 'reauthenticate'],
    [400, { error: 'invalid_request' }, 'gmail.token_failed', 'give_up'],
    [429, null, 'gmail.too_many', 'wait'],
    [500, { error: { message: 'Internal' } }, 'gmail.unavailable', 'retry'],
    [503, 'Service unavailable', 'gmail.unavailable', 'retry'],
  ])('%i %o is %s', (status, answer, code, kind) => {
    expect(tokenFailure({ status, body: answer })).toMatchObject({ code, class: kind });
  });
});

describe('a request without an answer', () => {
  const fetchFailed = (cause: object) => new TypeError('fetch failed', { cause });
  const errno = (code: string) => Object.assign(new Error(code), { code });

  it.each([
    ['a timeout', new DOMException('too late', 'TimeoutError'), 'gmail.timeout', true],
    ['a reset', fetchFailed(errno('ECONNRESET')), 'gmail.connection_lost', true],
    ['a socket that ended', fetchFailed(errno('UND_ERR_SOCKET')), 'gmail.connection_lost', true],
    ['nobody there', fetchFailed(errno('ECONNREFUSED')), 'gmail.connection_refused', false],
    ['no such host', fetchFailed(errno('ENOTFOUND')), 'gmail.host_unknown', false],
  ])('%s: whether it may have happened all the same', (_what, error, code, may) => {
    const failure = lostFailure(error, at);
    expect(failure).toMatchObject({ code, class: 'retry' });
    expect(mayHaveHappened(failure)).toBe(may);
  });
});

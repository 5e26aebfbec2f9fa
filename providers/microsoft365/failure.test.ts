import { describe, expect, it } from '@jest/globals';
import { GraphError } from '@microsoft/microsoft-graph-client';
import { ProviderFailure } from '../../domain/failure.ts';
import { graphFailure, networkFault, retryAfter } from './failure.ts';
import { Microsoft365Settings } from './manifest.ts';
import { signInFailure } from './sign-in-failure.ts';

const settings = Microsoft365Settings.parse({});

function answered(status: number, code: string, headers: Record<string, string> = {}): GraphError {
  const error = new GraphError(status, 'The mailbox ada@x.test is not there.');
  error.code = code;
  error.headers = new Headers(headers);
  return error;
}

const classified = (error: unknown, permission?: string): ProviderFailure => {
  const failure = graphFailure(error, settings, permission);
  if (failure instanceof ProviderFailure) return failure;
  throw new Error('It was not classified.', { cause: failure });
};

describe('graphFailure', () => {
  it.each([
    [429, 'ApplicationThrottled', { 'retry-after': '7' }, { class: 'wait', retryAfterMs: 7000 }],
    [429, 'TooManyRequests', {}, { class: 'wait', retryAfterMs: 60_000 }],
    [503, 'serviceNotAvailable', { 'retry-after': '3' }, { class: 'wait', retryAfterMs: 3000 }],
    [503, 'serviceNotAvailable', {}, { class: 'retry' }],
    [500, 'ErrorInternalServerError', {}, { class: 'retry' }],
    [504, 'SyntaxError', {}, { class: 'retry' }],
    [401, 'InvalidAuthenticationToken', {}, { class: 'reauthenticate' }],
    [
      403,
      'ErrorAccessDenied',
      {},
      { class: 'reauthenticate', code: 'microsoft365.permission_missing' },
    ],
    [403, 'ErrorSendAsDenied', {}, { class: 'give_up', code: 'microsoft365.send_as_denied' }],
    [404, 'ErrorInvalidUser', {}, { class: 'give_up', code: 'microsoft365.mailbox_missing' }],
    [
      404,
      'MailboxNotEnabledForRESTAPI',
      {},
      { class: 'give_up', code: 'microsoft365.mailbox_missing' },
    ],
    [404, 'ErrorItemNotFound', {}, { class: 'give_up', code: 'microsoft365.not_found' }],
    [410, 'syncStateNotFound', {}, { class: 'retry', code: 'microsoft365.cursor_expired' }],
    [410, 'resyncRequired', {}, { class: 'retry', code: 'microsoft365.cursor_expired' }],
    [400, 'SyncStateInvalid', {}, { class: 'retry', code: 'microsoft365.cursor_expired' }],
    [409, 'ErrorIrresolvableConflict', {}, { class: 'retry' }],
    [413, 'RequestEntityTooLarge', {}, { class: 'give_up', code: 'microsoft365.too_large' }],
    [400, 'ErrorInvalidRecipients', {}, { class: 'give_up' }],
  ] as const)('meets %i %s %o', (status, code, headers, expected) => {
    const failure = classified(answered(status, code, headers), 'Mail.Read');
    expect(failure).toMatchObject({ ...expected, status });
    expect(failure.message).not.toContain('ada@x.test');
  });

  it('names the permission that is missing', () => {
    const failure = classified(answered(403, 'ErrorAccessDenied'), 'Mail.Send');
    expect(failure.message).toContain('Mail.Send');
  });

  it('takes an answer that broke off, and a connection that failed, for passing', () => {
    const cut = new GraphError(200, '', new SyntaxError('Unexpected end of JSON input'));
    expect(classified(cut)).toMatchObject({ class: 'retry', status: undefined });
    const refused = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
    const fault = networkFault(new TypeError('fetch failed', { cause: refused }));
    expect(classified(fault)).toMatchObject({ code: 'microsoft365.connection_refused' });
    const late = networkFault(new DOMException('too late', 'TimeoutError'));
    expect(classified(late)).toMatchObject({ code: 'microsoft365.no_answer', class: 'retry' });
  });

  it('leaves errors alone that are none of the request’s', () => {
    const ours = new Error('the database is away');
    expect(graphFailure(ours, settings)).toBe(ours);
  });
});

describe('retryAfter', () => {
  it('reads seconds and dates, and never waits for long', () => {
    expect(retryAfter('120')).toBe(120_000);
    const soon = retryAfter(new Date(Date.now() + 30_000).toUTCString())!;
    expect(soon).toBeGreaterThan(20_000);
    expect(soon).toBeLessThanOrEqual(30_000);
    expect(retryAfter(new Date(0).toUTCString())).toBe(0);
    expect(retryAfter('99999999')).toBe(3_600_000);
    expect(retryAfter('soon')).toBeUndefined();
    expect(retryAfter(null)).toBeUndefined();
  });
});

describe('signInFailure', () => {
  it.each([
    [
      'invalid_grant',
      'AADSTS700082: The refresh token has expired',
      400,
      'consent_ended',
      'reauthenticate',
    ],
    ['invalid_grant', 'AADSTS50173: The grant was revoked', 400, 'consent_ended', 'reauthenticate'],
    ['interaction_required', 'AADSTS50076: multi-factor', 400, 'consent_ended', 'reauthenticate'],
    [
      'invalid_client',
      'AADSTS7000215: Invalid client secret',
      401,
      'client_secret_refused',
      'reauthenticate',
    ],
    ['invalid_client', 'AADSTS7000222: expired', 401, 'client_secret_refused', 'reauthenticate'],
    ['unauthorized_client', 'AADSTS700016: no such app', 400, 'client_unknown', 'reauthenticate'],
    ['invalid_request', 'AADSTS90002: no such tenant', 400, 'tenant_unknown', 'reauthenticate'],
    ['temporarily_unavailable', '', 503, 'sign_in_failed', 'retry'],
    ['', '', 500, 'sign_in_failed', 'retry'],
    ['access_denied', '<script>ada@x.test</script>', 400, 'sign_in_refused', 'reauthenticate'],
  ] as const)('meets %s %s', (error, description, status, code, kind) => {
    const failure = signInFailure(error, description, status);
    expect(failure).toMatchObject({ code: `microsoft365.${code}`, class: kind, status });
    expect(failure.message).not.toContain('ada@x.test');
  });
});

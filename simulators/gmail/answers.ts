import type { Response } from 'express';
import type { FaultKind } from '../contract.ts';
import type { AnsweredFault } from '../server.ts';

/** An error in Google's own words (https://developers.google.com/workspace/gmail/api/guides/handle-errors). */
export interface GoogleError {
  readonly status: number;
  readonly reason: string;
  readonly message: string;
  readonly domain?: string;
}

export const ERRORS = {
  badToken: {
    status: 401,
    reason: 'authError',
    message: 'Request had invalid authentication credentials.',
  },
  scopes: {
    status: 403,
    reason: 'insufficientPermissions',
    message: 'Request had insufficient authentication scopes.',
  },
  gone: { status: 404, reason: 'notFound', message: 'Requested entity was not found.' },
  quota: {
    status: 403,
    reason: 'userRateLimitExceeded',
    domain: 'usageLimits',
    message: 'User Rate Limit Exceeded.',
  },
  recipient: { status: 400, reason: 'invalidArgument', message: 'Invalid To header' },
} as const satisfies Record<string, GoogleError>;

const STATUS: Record<number, string> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  503: 'UNAVAILABLE',
};

export function errorBody({ status, reason, message, domain = 'global' }: GoogleError): object {
  return {
    error: {
      code: status,
      message,
      errors: [{ message, domain, reason }],
      status: STATUS[status] ?? 'UNKNOWN',
    },
  };
}

export function answerError(response: Response, error: GoogleError): void {
  response.status(error.status).json(errorBody(error));
}

const FAULTS: Record<AnsweredFault, GoogleError> = {
  too_many: {
    status: 429,
    reason: 'rateLimitExceeded',
    domain: 'usageLimits',
    message: 'Too many concurrent requests for user',
  },
  unavailable: { status: 503, reason: 'backendError', message: 'Backend Error' },
  server_error: { status: 500, reason: 'backendError', message: 'Internal error encountered.' },
  token_expired: ERRORS.badToken,
  token_revoked: ERRORS.badToken,
};

/** The error of a fault that is an answer; null for the others, and for none. */
export function errorOf(kind: FaultKind | undefined): GoogleError | null {
  return kind !== undefined && kind in FAULTS ? FAULTS[kind as AnsweredFault] : null;
}

/** Faults in Google's words; at the token end in OAuth's (RFC 6749 §5.2). */
export function wording(kind: AnsweredFault, response: Response): void {
  const atTokenEnd = response.req.path === '/token';
  if (atTokenEnd && (kind === 'token_revoked' || kind === 'token_expired')) {
    response.status(400).json({
      error: 'invalid_grant',
      error_description: 'Token has been expired or revoked.',
    });
    return;
  }
  answerError(response, FAULTS[kind]);
}

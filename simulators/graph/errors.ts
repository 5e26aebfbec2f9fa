import type { Response } from 'express';
import type { AnsweredFault } from '../server.ts';

/** An error as Graph words it (https://learn.microsoft.com/graph/errors). */
export function graphError(
  response: Response,
  status: number,
  code: string,
  message: string,
): void {
  response.status(status).json({
    error: {
      code,
      message,
      innerError: { date: new Date().toISOString(), 'request-id': 'simulated' },
    },
  });
}

/** An error of the sign-in service (RFC 6749 §5.2, with Microsoft's numbers). */
export function signInError(
  response: Response,
  status: number,
  error: string,
  number: number,
  text: string,
): void {
  response.status(status).json({
    error,
    error_description: `AADSTS${number}: ${text} Trace ID: simulated`,
    error_codes: [number],
  });
}

/** Faults asked for, as the vendor words them. */
export function wording(kind: AnsweredFault, response: Response): void {
  const { path } = response.req;
  if (
    path.endsWith('/oauth2/v2.0/token') &&
    (kind === 'token_expired' || kind === 'token_revoked')
  ) {
    const number = kind === 'token_expired' ? 700082 : 50173;
    return signInError(
      response,
      400,
      'invalid_grant',
      number,
      'The refresh token has expired due to inactivity.',
    );
  }
  switch (kind) {
    case 'too_many':
      return graphError(
        response,
        429,
        'ApplicationThrottled',
        'Application is over its MailboxConcurrency limit.',
      );
    case 'unavailable':
      return graphError(
        response,
        503,
        'serviceNotAvailable',
        'The service is temporarily unavailable.',
      );
    case 'server_error':
      return graphError(
        response,
        500,
        'ErrorInternalServerError',
        'An internal server error occurred. The operation failed.',
      );
    case 'token_expired':
      return graphError(
        response,
        401,
        'InvalidAuthenticationToken',
        'Lifetime validation failed, the token is expired.',
      );
    case 'token_revoked':
      return graphError(
        response,
        401,
        'InvalidAuthenticationToken',
        'Access token has been revoked.',
      );
  }
}

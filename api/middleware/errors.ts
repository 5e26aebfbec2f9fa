import type { ErrorRequestHandler } from 'express';
import { isConnectionGone } from '../../db/queries/pg-error.ts';
import type { Logger } from '../../telemetry/log.ts';
import { TemporalUnavailable } from '../../workflows/contracts/relay.ts';
import { Problem, sendProblem, unavailable } from '../problem.ts';
import { requestId } from './request-id.ts';

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const DISK_FULL = '53100';
const FULL_DISK_SECONDS = 60;

/** The last word on every error: a problem document, and a log line where it is our fault. */
export function answerErrors(log: Logger): ErrorRequestHandler {
  return (error: unknown, _req, res, _next) => {
    const problem = asProblem(error);
    if (problem.status >= 500 && !(error instanceof Problem))
      log.error(
        { request_id: requestId(res), route: res.locals.route, err: error },
        'a request failed',
      );
    if (res.headersSent) {
      res.destroy();
      return;
    }
    sendProblem(res, problem, requestId(res));
  };
}

export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof TemporalUnavailable)
    return unavailable(
      'temporal_unavailable',
      'Temporal does not answer just now; what you sent is kept. Repeat it with the same Idempotency-Key.',
    );
  if ((error as { code?: unknown } | null)?.code === DISK_FULL)
    return unavailable(
      'database_full',
      'The database has no room on its disk just now; try again.',
      FULL_DISK_SECONDS,
    );
  if (isDatabaseAway(error))
    return unavailable('database_unavailable', 'The database does not answer just now; try again.');
  const { status, type, limit } = (error ?? {}) as {
    status?: unknown;
    type?: unknown;
    limit?: unknown;
  }; // body-parser and the router mark their errors so
  if (type === 'entity.too.large')
    return new Problem(
      413,
      'too_large',
      `The body is larger than the ${String(limit)} bytes allowed here.`,
    );
  if (type === 'encoding.unsupported')
    return new Problem(
      415,
      'unsupported_encoding',
      'Send the body plain, or with gzip or deflate.',
    );
  if (status === 400)
    return new Problem(
      400,
      'bad_request',
      'The request could not be read: its address or body is malformed.',
    );
  return new Problem(
    500,
    'internal',
    'Something went wrong here. It is logged under the request id; tell us that id.',
  );
}

/** Connection failures (pg, node) and Postgres's own "not now" (classes 08, 57P, 53). */
export function isDatabaseAway(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown }; // any thrown value
  if (typeof code !== 'string') return isConnectionGone(error);
  return /^(ECONNREFUSED|ECONNRESET|EPIPE|08...|57P..|53...)$/.test(code);
}

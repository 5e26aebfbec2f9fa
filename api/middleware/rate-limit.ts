import type { RequestHandler, Response } from 'express';
import { rateLimit } from 'express-rate-limit';
import { Problem, sendProblem } from '../problem.ts';
import type { Caller } from '../route.ts';
import { requestId } from './request-id.ts';

const WINDOW_MS = 60_000;

/** Requests a minute per key and process, told in `RateLimit` and `RateLimit-Policy`; beyond them 429. */
export function createRateLimit(perMinute: number): RequestHandler {
  return rateLimit({
    windowMs: WINDOW_MS,
    limit: perMinute,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    identifier: 'per-key',
    keyGenerator: (_req, res) => callerOf(res).keyId,
    handler: (_req, res) =>
      sendProblem(
        res,
        new Problem(
          429,
          'rate_limited',
          `More than ${perMinute} requests in a minute with this key; wait as Retry-After says.`,
        ),
        requestId(res),
      ),
  });
}

export function callerOf(res: Response): Caller {
  return res.locals.caller as Caller; // mount.ts authenticates before anything asks
}

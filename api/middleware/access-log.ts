import type { RequestHandler } from 'express';
import type { Logger } from '../../telemetry/log.ts';
import { httpSeconds } from '../../telemetry/metrics.ts';
import type { Caller } from '../route.ts';
import { requestId } from './request-id.ts';

/** One line and one measurement a request; the route's template, never the address with its ids and search words. */
export function logAccess(log: Logger): RequestHandler {
  return (req, res, next) => {
    const began = process.hrtime.bigint();
    res.once('close', () => {
      const seconds = Number(process.hrtime.bigint() - began) / 1e9;
      const route = typeof res.locals.route === 'string' ? res.locals.route : 'none';
      const caller = res.locals.caller as Caller | undefined;
      httpSeconds.observe({ method: req.method, route, status: res.statusCode }, seconds);
      log[res.statusCode >= 500 ? 'warn' : 'info'](
        {
          request_id: requestId(res),
          method: req.method,
          route,
          status: res.statusCode,
          ms: Math.round(seconds * 1000),
          finished: res.writableFinished,
          tenant: caller?.tenantId,
          key: caller?.keyId,
        },
        'request',
      );
    });
    next();
  };
}

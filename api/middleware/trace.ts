import type { RequestHandler } from 'express';
import { fail, isTracing, startSpan, within } from '../../telemetry/trace.ts';

/** What watches the process is no business of a trace. */
const UNTRACED = /^\/(healthz|readyz|metrics|docs|openapi\.json|codec)(\/|$)/;

/** A span for each request, named by its route's template; it goes on from the caller's `traceparent`. */
export const traceRequest: RequestHandler = (req, res, next) => {
  if (!isTracing() || UNTRACED.test(req.path)) {
    next();
    return;
  }
  const span = startSpan(`HTTP ${req.method}`, {
    kind: 'server',
    parent: req.get('traceparent') ?? null,
    attributes: { 'http.request.method': req.method },
  });
  res.once('close', () => {
    if (!span) return;
    const route = typeof res.locals.route === 'string' ? res.locals.route : 'none';
    span.updateName(`${req.method} ${route}`);
    span.setAttributes({ 'http.route': route, 'http.response.status_code': res.statusCode });
    if (res.statusCode >= 500) fail(span, `status ${res.statusCode}`);
    span.end();
  });
  within(span, next);
};

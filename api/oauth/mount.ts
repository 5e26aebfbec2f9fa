import type { Express, RequestHandler } from 'express';
import { findProvider } from '../../providers/registry.ts';
import type { ApiDeps } from '../deps.ts';
import { createAuthentication } from '../middleware/authentication.ts';
import { callback } from './callback.ts';
import { connect } from './connect.ts';

/** Connect links and where vendors lead back to; a vendor's former names are other ways in. */
export function mountOauth(app: Express, deps: ApiDeps, find = findProvider): void {
  const authenticate = createAuthentication(deps.db, deps.log);
  app.get('/oauth/:provider/connect', named('connect'), connect(deps, authenticate, find));
  app.get('/oauth/:provider/callback', named('callback'), callback(deps, find));
}

function named(step: string): RequestHandler<{ provider: string }> {
  return (_req, res, next) => {
    res.locals.route = `/oauth/{provider}/${step}`;
    next();
  };
}

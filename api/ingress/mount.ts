import type { ErrorRequestHandler, Express } from 'express';
import { findProvider } from '../../providers/registry.ts';
import type { ApiDeps } from '../deps.ts';
import { asProblem } from '../middleware/errors.ts';
import { unavailable } from '../problem.ts';
import { rawMailDoor } from './raw-mail.ts';
import { vendorDoor, wholeBody } from './vendor-door.ts';

/** The doors: what they say yes to is stored, and what they can't store they ask for again later. */
export function mountIngress(app: Express, deps: ApiDeps, find = findProvider): void {
  app.post('/ingress/mime/:channelId', rawMailDoor(deps));
  app.get('/ingress/:provider/:channelId', wholeBody(deps, find), vendorDoor(deps, find));
  app.post('/ingress/:provider/:channelId', wholeBody(deps, find), vendorDoor(deps, find));
  app.use('/ingress', askAgainLater(deps));
}

function askAgainLater({ log }: ApiDeps): ErrorRequestHandler {
  return (error: unknown, req, _res, next) => {
    const problem = asProblem(error);
    if (problem.status !== 500) {
      next(problem);
      return;
    }
    if (!req.readableAborted) log.error({ err: String(error) }, 'a door could not store what came');
    next(unavailable('not_stored', 'It could not be stored just now; send it again later.', 30));
  };
}

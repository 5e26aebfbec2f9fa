import express, { type Express } from 'express';
import helmet from 'helmet';
import type { ApiDeps } from './deps.ts';
import { mountIngress } from './ingress/mount.ts';
import { mountLinks } from './link/mount.ts';
import { logAccess } from './middleware/access-log.ts';
import { answerErrors } from './middleware/errors.ts';
import { giveRequestId } from './middleware/request-id.ts';
import { traceRequest } from './middleware/trace.ts';
import { mountRoutes } from './mount.ts';
import { mountOauth } from './oauth/mount.ts';
import { Problem } from './problem.ts';
import { routes } from './routes/index.ts';
import { mountService } from './service.ts';

/** The whole HTTP side: /v1, the doors under /ingress, and what watches the process. */
export function createApp(deps: ApiDeps): Express {
  const app = express();
  app.set('etag', false);
  app.disable('x-powered-by');
  app.set('trust proxy', [...deps.config.trustedProxies]);
  app.use(giveRequestId);
  app.use(logAccess(deps.log));
  app.use(traceRequest);
  app.use(helmet({ contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } } }));
  if (deps.codec) app.use('/codec', deps.codec);
  mountService(app, deps, routes);
  mountIngress(app, deps);
  mountOauth(app, deps);
  mountLinks(app, deps);
  mountRoutes(app, deps, routes);
  app.use((req) => {
    throw new Problem(
      404,
      'not_found',
      `There is nothing at ${req.method} on this address; /docs lists all routes.`,
    );
  });
  app.use(answerErrors(deps.log));
  return app;
}

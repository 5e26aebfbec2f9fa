import type { ErrorRequestHandler, Express, RequestHandler } from 'express';
import { findProvider } from '../../providers/registry.ts';
import { doorAnswered } from '../../telemetry/metrics.ts';
import type { ApiDeps } from '../deps.ts';
import { asProblem } from '../middleware/errors.ts';
import { unavailable } from '../problem.ts';
import { rawMailDoor } from './raw-mail.ts';
import { realTimeDoor, realTimeDoors, wholeMail } from './real-time-door.ts';
import { onlySharedDoors, sharedDoor } from './shared-door.ts';
import { vendorDoor, wholeBody } from './vendor-door.ts';

/** The doors: what they say yes to is stored, and what they can't store they ask for again later. */
export function mountIngress(app: Express, deps: ApiDeps, find = findProvider): void {
  const vendor = [measured(find), wholeBody(deps, find), vendorDoor(deps, find)] as const;
  app.post('/ingress/mime/:channelId', measured(find), rawMailDoor(deps));
  for (const door of realTimeDoors()) {
    const paths = [`/ingress/${door.name}`, ...(door.aliases ?? [])];
    app.post(paths, measured(find, door.name), wholeMail(deps, door), realTimeDoor(deps, door));
    app.use(paths, askAgainLater(deps));
  }
  app.get('/ingress/:provider/:channelId', ...vendor);
  app.post('/ingress/:provider/:channelId', ...vendor);
  const shared = [
    onlySharedDoors(find),
    measured(find),
    wholeBody(deps, find, '/ingress/{provider}'),
    sharedDoor(deps, find),
  ] as const;
  app.get('/ingress/:provider', ...shared);
  app.post('/ingress/:provider', ...shared);
  app.use('/ingress', askAgainLater(deps));
}

/** Doors that don't exist are one label: a caller's guess is no name. */
function measured<Params extends object>(
  find: typeof findProvider,
  fixed = 'mime',
): RequestHandler<Params> {
  return (req, res, next) => {
    const began = performance.now();
    const { provider } = req.params as { provider?: string }; // doors of a fixed name have none
    const door = provider === undefined ? fixed : (find(provider)?.manifest.name ?? 'unknown');
    res.once('close', () => {
      const status = res.writableFinished ? res.statusCode : 503;
      doorAnswered(door, status < 400 ? 'accepted' : status < 500 ? 'refused' : 'later', began);
    });
    next();
  };
}

function askAgainLater({ log }: ApiDeps): ErrorRequestHandler {
  return (error: unknown, req, _res, next) => {
    const problem = asProblem(error);
    if (problem.status !== 500) {
      next(problem);
      return;
    }
    if (!req.readableAborted) log.error({ err: error }, 'a door could not store what came');
    next(unavailable('not_stored', 'It could not be stored just now; send it again later.', 30));
  };
}

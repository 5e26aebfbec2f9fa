import type { ErrorRequestHandler, Express, RequestHandler } from 'express';
import type { ChannelProvider } from '../../providers/contract.ts';
import { providers } from '../../providers/registry.ts';
import { doorAnswered } from '../../telemetry/metrics.ts';
import type { ApiDeps } from '../deps.ts';
import { asProblem } from '../middleware/errors.ts';
import { unavailable } from '../problem.ts';
import { DoorStore } from './door-store.ts';
import { KnownChannels } from './known-channels.ts';
import { rawMailDoor } from './raw-mail.ts';
import { realTimeDoor, realTimeDoors, wholeMail } from './real-time-door.ts';
import { sharedDoor, sharedDoors } from './shared-door.ts';
import { doorOf, vendorDoor, wholeBody, type FindProvider } from './vendor-door.ts';

/** The doors: what they say yes to is stored, and what they can't store they ask for again later. */
export function mountIngress(app: Express, deps: ApiDeps, all = providers): void {
  const find = findAmong(all);
  const shared = sharedDoors(deps, all, new KnownChannels(deps));
  const store = new DoorStore(deps);
  const vendor = [
    measured(find),
    wholeBody(deps, '/ingress/{provider}/{channel_id}', (name) => [doorOf(name, find).door]),
    vendorDoor(deps, find, store, shared),
  ] as const;
  app.post('/ingress/mime/:channelId', measured(find), rawMailDoor(deps));
  for (const door of realTimeDoors()) {
    const paths = [`/ingress/${door.name}`, ...(door.aliases ?? [])];
    app.post(paths, measured(find, door.name), wholeMail(deps, door), realTimeDoor(deps, door));
    app.use(paths, askAgainLater(deps));
  }
  app.get('/ingress/:provider/:channelId', ...vendor);
  app.post('/ingress/:provider/:channelId', ...vendor);
  for (const one of shared.values()) {
    const aliases = one.members.flatMap(({ provider: { manifest }, door }) =>
      door.sharedAs === undefined ? (manifest.aliases ?? []) : [],
    );
    const paths = [one.name, ...aliases].map((name) => `/ingress/${name}`);
    const handlers = [
      measured(find, one.name),
      wholeBody(deps, paths[0]!, () => one.members.map(({ door }) => door)),
      sharedDoor(deps, one, store),
    ] as const;
    app.get(paths, ...handlers);
    app.post(paths, ...handlers);
  }
  app.use('/ingress', askAgainLater(deps));
}

/** By name or alias. */
function findAmong(all: readonly ChannelProvider[]): FindProvider {
  return (name) =>
    all.find(({ manifest }) => manifest.name === name || manifest.aliases?.includes(name));
}

/** Doors that don't exist are one label: a caller's guess is no name. */
function measured<Params extends object>(
  find: FindProvider,
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

import type { Express, RequestHandler } from 'express';
import { serve, setup } from 'swagger-ui-express';
import { proveStorage } from '../db/queries/health.ts';
import { registry } from '../telemetry/metrics.ts';
import type { ApiDeps, ReadinessPart } from './deps.ts';
import { openApiDocument } from './openapi.ts';
import type { AnyRoute } from './route.ts';

const PATIENCE_MS = 3_000;
const CURE_OF_DATABASE = 'Start Postgres, mend DATABASE_URL, or give its disk more room.';

/** What needs no key: health, metrics, documentation. */
export function mountService(app: Express, deps: ApiDeps, routes: readonly AnyRoute[]): void {
  const document = openApiDocument(routes, deps.config.publicUrl);
  app.get('/healthz', named('/healthz'), (_req, res) => {
    res.json({ status: 'ok' });
  });
  app.get('/readyz', named('/readyz'), async (_req, res) => {
    const parts = await readiness(deps);
    const ok = parts.every((part) => part.ok);
    res.status(ok ? 200 : 503).json({ status: ok ? 'ready' : 'not ready', parts });
  });
  app.get('/metrics', named('/metrics'), async (_req, res) => {
    res.set('Content-Type', registry.contentType).send(await registry.metrics());
  });
  app.get('/openapi.json', named('/openapi.json'), (_req, res) => {
    res.json(document);
  });
  // Its page names its files relative to itself.
  app.get('/docs', named('/docs'), (req, res, next) =>
    req.path === '/docs' ? res.redirect(301, '/docs/') : next(),
  );
  const options = { customSiteTitle: 'Postroom API', swaggerOptions: { url: '/openapi.json' } };
  app.use(
    '/docs',
    named('/docs'),
    serve,
    setup(undefined, { ...options, swaggerUrl: '/openapi.json' }),
  );
}

function named(route: string): RequestHandler {
  return (_req, res, next) => {
    res.locals.route = route;
    next();
  };
}

async function readiness(deps: ApiDeps): Promise<ReadinessPart[]> {
  const database = part('database', CURE_OF_DATABASE, () => proveStorage(deps.db));
  const others = deps.readiness
    ? within(deps.readiness()).catch((error: unknown) => [
        { name: 'temporal', ok: false, detail: `Its state can't be read: ${message(error)}` },
      ])
    : Promise.resolve([]);
  return [await database, ...(await others)];
}

async function part(name: string, cure: string, ask: () => Promise<void>): Promise<ReadinessPart> {
  try {
    await within(ask());
    return { name, ok: true, detail: '' };
  } catch (error) {
    return { name, ok: false, detail: `${message(error)}. ${cure}` };
  }
}

async function within<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${PATIENCE_MS} ms`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

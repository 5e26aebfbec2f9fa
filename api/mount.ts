import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import express, { type Express, type Request, type RequestHandler, type Response } from 'express';
import type { ApiDeps } from './deps.ts';
import { readJson } from './json-body.ts';
import { createAuthentication, type Authenticate } from './middleware/authentication.ts';
import {
  anyId,
  fingerprintOf,
  idempotencyKey,
  once,
  type NewId,
  type PlainAnswer,
} from './middleware/idempotency.ts';
import { callerOf, createRateLimit } from './middleware/rate-limit.ts';
import { requestId } from './middleware/request-id.ts';
import { Problem } from './problem.ts';
import { Answer, successStatus, type AnyRoute } from './route.ts';
import { fieldErrors } from './validation.ts';

const USUAL_MAX_BYTES = 1_048_576;

/** Serves declared routes: authenticate, limit, read, validate, once per Idempotency-Key, handle, answer. */
export function mountRoutes(app: Express, deps: ApiDeps, routes: readonly AnyRoute[]): void {
  const authenticate = createAuthentication(deps.db, deps.log);
  const limit = createRateLimit(deps.config.ratePerMinute);
  for (const declared of inMatchingOrder(routes)) {
    app[declared.method](
      expressPath(declared.path),
      admit(declared, authenticate),
      limit,
      ...(declared.upload ? [] : [rawBody(declared)]),
      serve(declared, deps),
    );
  }
  for (const [path, methods] of methodsByPath(routes)) app.all(path, refuseMethod(methods));
}

function admit(declared: AnyRoute, authenticate: Authenticate): RequestHandler {
  return async (req, res, next) => {
    res.locals.route = declared.path;
    res.locals.caller = await authenticate(req, declared.scope);
    next();
  };
}

function rawBody({ maxBytes = USUAL_MAX_BYTES }: AnyRoute): RequestHandler {
  return express.raw({ type: () => true, limit: maxBytes });
}

function serve(declared: AnyRoute, deps: ApiDeps): RequestHandler {
  return async (req, res) => {
    const caller = callerOf(res);
    const key = declared.method === 'post' ? idempotencyKey(req.get('idempotency-key')) : null;
    const request = parseRequest(declared, req);
    const work = async (newId: NewId): Promise<PlainAnswer | Answer<unknown>> => {
      const result = await declared.handler({
        ...request,
        deps,
        caller,
        tenantId: caller.tenantId,
        headers: singleHeaders(req),
        requestId: requestId(res),
        idempotencyKey: key,
        newId,
        signal: endOf(res),
        upload: req,
      });
      return result instanceof Answer && result.stream ? result : plain(declared, deps, result);
    };
    if (key === null) {
      await send(res, await work(anyId));
      return;
    }
    const fingerprint = fingerprintOf(req.method, req.originalUrl, contentOf(declared, req));
    const single = { tenantId: caller.tenantId, key, fingerprint };
    await send(res, await once(deps, single, async (newId) => (await work(newId)) as PlainAnswer)); // no POST streams its answer
  };
}

/** An upload is told apart by what its headers say: its bytes are read by the handler alone. */
function contentOf({ upload }: AnyRoute, req: Request): string | Uint8Array {
  if (!upload) return Buffer.isBuffer(req.body) ? req.body : '';
  const { 'content-length': length, 'content-type': type } = req.headers;
  return JSON.stringify([length, type, req.headers['content-disposition']]);
}

function parseRequest({ params, query, body, bodyOptional, method }: AnyRoute, req: Request) {
  const parsedParams = params?.safeParse(req.params) ?? { success: true, data: {} };
  if (!parsedParams.success)
    throw new Problem(
      404,
      'not_found',
      'There is nothing at this address: an id in it is malformed.',
    );
  const parsedQuery = query?.safeParse(req.query) ?? { success: true, data: {} };
  if (!parsedQuery.success)
    throw new Problem(400, 'bad_query', 'Mend the query parameters named in errors.', {
      errors: fieldErrors(parsedQuery.error.issues, '/query'),
    });
  if (!body) return { params: parsedParams.data, query: parsedQuery.data, body: undefined };
  const parsedBody = body.safeParse(readJson(req, bodyOptional ?? false));
  if (!parsedBody.success)
    throw new Problem(
      422,
      'invalid',
      `The body can't be used to ${method === 'post' ? 'do this' : 'change this'}; mend the fields named in errors.`,
      { errors: fieldErrors(parsedBody.error.issues) },
    );
  return { params: parsedParams.data, query: parsedQuery.data, body: parsedBody.data };
}

function plain(declared: AnyRoute, { checkAnswers }: ApiDeps, result: unknown): PlainAnswer {
  const answer = result instanceof Answer ? result : new Answer(result);
  if (checkAnswers && declared.response) {
    const checked = declared.response.safeParse(JSON.parse(JSON.stringify(answer.body)));
    if (!checked.success)
      throw new Error(
        `The answer of ${declared.path} does not fit its schema: ${checked.error.message}`,
      );
  }
  return {
    status: answer.status ?? successStatus(declared),
    headers: answer.headers,
    body: answer.body,
  };
}

async function send(res: Response, answer: PlainAnswer | Answer<unknown>): Promise<void> {
  const headers = { 'Cache-Control': 'no-store', ...answer.headers };
  // Not `res.set`, which would add a charset that the bytes may not have.
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
  if (answer instanceof Answer) {
    res.status(answer.status ?? 200);
    await pipeline(Readable.from(answer.stream!, { objectMode: false }), res);
    return;
  }
  res.status(answer.status);
  if (answer.body === undefined) res.end();
  else res.json(answer.body);
}

function endOf(res: Response): AbortSignal {
  const controller = new AbortController();
  res.once('close', () => controller.abort());
  return controller.signal;
}

function singleHeaders(req: Request): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(req.headers).map(([name, value]) => [name, [value].flat().join(', ')]),
  );
}

function expressPath(path: string): string {
  // A colon of our own (`rules:test`) is none of Express's parameters.
  return path.replaceAll(':', '\\:').replaceAll(/\{(\w+)\}/g, ':$1');
}

/** `/v1/channels/sync` before `/v1/channels/{id}`. */
function inMatchingOrder(routes: readonly AnyRoute[]): AnyRoute[] {
  return routes.toSorted((a, b) => placeholders(a.path) - placeholders(b.path));
}

function placeholders(path: string): number {
  return path.split('{').length;
}

function methodsByPath(routes: readonly AnyRoute[]): Map<string, string[]> {
  const byPath = Map.groupBy(inMatchingOrder(routes), ({ path }) => expressPath(path));
  return new Map(
    [...byPath].map(([path, declared]) => [
      path,
      declared.map(({ method }) => method.toUpperCase()),
    ]),
  );
}

function refuseMethod(methods: readonly string[]): RequestHandler {
  const allow = [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', ');
  return (req, res) => {
    if (req.method === 'OPTIONS') {
      res.status(204).set('Allow', allow).end();
      return;
    }
    throw new Problem(
      405,
      'method_not_allowed',
      `${req.method} does nothing here; allowed are ${allow}.`,
      {
        headers: { Allow: allow },
      },
    );
  };
}

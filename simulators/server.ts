import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import express, { type Request, type RequestHandler, type Response, type Router } from 'express';
import type { Fault, FaultKind, SeenRequest, Simulator, Violation } from './contract.ts';
import { controlRoutes } from './control.ts';
import { planFaults, type PlannedFaults } from './faults.ts';

export interface SimulatorOptions {
  readonly name: string;
  /** Default: any free one. */
  readonly port?: number;
  /**
   * The vendor's own description, which every request is held against before its route sees it. Where it is left
   * out or null, requests are not held against anything, and the control endpoint says so.
   */
  readonly description?: RequestDescription | null;
  /** Served before bodies are read and held against the description: a consent end, an upload that is streamed. */
  readonly unparsed?: RequestHandler;
  /**
   * The vendor's API. `request.body` is a parsed object for JSON and form bodies and a Buffer for all others;
   * `rawBody(request)` is always the bytes.
   */
  readonly routes: (api: Router) => void;
  /** The vendor's own controls under `/_control`: "deliver a mail". Bodies are parsed as for `routes`. */
  readonly controls?: (control: Router) => void;
  /** Answers a fault as the vendor words it. Status, and Retry-After where there is one, are set already. */
  readonly wording?: (kind: AnsweredFault, response: Response) => void;
  /** Run by `close`, before the sockets are closed. */
  readonly closing?: () => Promise<void> | void;
}

/** Says of a request why the vendor's description doesn't allow it, in plain words; null where it does. */
export interface RequestDescription {
  /** What requests are held against: `gmail.v1.json`. */
  readonly source: string;
  readonly problem: (request: DescribedRequest) => Promise<string | null> | string | null;
}

export interface DescribedRequest {
  readonly method: string;
  /** As asked, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Faults that are an answer, and not a silence. */
export type AnsweredFault = Exclude<FaultKind, 'lost_answer' | 'reset' | 'hang'>;

/** Larger than any mail that a vendor takes, in bytes. */
const MOST_BYTES = 160 * 1024 * 1024;
const bodies = new WeakMap<object, Buffer>();

/** The bytes of a request's body, as they came. */
export const rawBody = (request: Request): Buffer => bodies.get(request) ?? Buffer.alloc(0);

/** A vendor's HTTP API on loopback. @throws where the port is taken */
export async function createSimulatorServer(options: SimulatorOptions): Promise<Simulator> {
  const requests: SeenRequest[] = [];
  const violations: Violation[] = [];
  const faults = planFaults();

  const app = express().disable('x-powered-by').disable('etag');
  app.set('query parser', 'extended');
  const control = express.Router();
  const api = express.Router();
  app.use('/_control', readBody, control);
  app.use(logInto(requests), failAsPlanned(faults, options.wording ?? plainWording));
  if (options.unparsed) app.use(options.unparsed);
  app.use(readBody, holdAgainst(options.description ?? null, violations), api);
  options.routes(api);
  app.use(unknownRoute(options.name));
  app.use(plainError(options.name));

  const server = createServer(app);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const simulator: Simulator = {
    name: options.name,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, // listens on TCP: never a path
    faults,
    requests,
    violations,
    async close() {
      await options.closing?.();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
  options.controls?.(control);
  controlRoutes(control, simulator, options.description?.source ?? null);
  return simulator;
}

const readRaw = express.raw({ type: () => true, limit: MOST_BYTES });

const readBody: express.RequestHandler = (request, response, next) => {
  if (bodies.has(request)) return next();
  readRaw(request, response, (error?: unknown) => {
    if (error) return next(error);
    const raw = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    bodies.set(request, raw);
    const type = request.headers['content-type'] ?? '';
    try {
      request.body = parsed(type, raw);
    } catch {
      response.status(400).json({ error: { code: 400, message: 'The body is not valid JSON.' } });
      return;
    }
    next();
  });
};

function parsed(type: string, raw: Buffer): unknown {
  if (/^application\/([\w.-]+\+)?json\b/i.test(type))
    return raw.length > 0 ? (JSON.parse(raw.toString()) as unknown) : {};
  if (/^application\/x-www-form-urlencoded\b/i.test(type))
    return Object.fromEntries(new URLSearchParams(raw.toString()));
  return raw;
}

/** Notes a request when it ends; status 0 is one that got no answer. */
function logInto(requests: SeenRequest[]): express.RequestHandler {
  return (request, response, next) => {
    const at = new Date();
    response.once('close', () => {
      const status = response.writableFinished ? response.statusCode : 0;
      requests.push({ at, method: request.method, path: request.originalUrl, status });
    });
    next();
  };
}

function failAsPlanned(
  faults: PlannedFaults,
  wording: (kind: AnsweredFault, response: Response) => void,
): express.RequestHandler {
  return (request, response, next) => {
    const fault = faults.take(`${request.method} ${request.path}`);
    if (!fault) return next();
    switch (fault.kind) {
      case 'reset':
        request.socket.resetAndDestroy();
        return;
      case 'lost_answer':
        loseAnswer(response);
        return next();
      case 'hang':
        request.resume(); // taken whole, and never answered
        return;
      default:
        // The body is read first: a client that still writes would see a broken pipe in place of the answer.
        readBody(request, response, (error?: unknown) =>
          error ? next(error) : answerFault(fault.kind as AnsweredFault, fault, response, wording),
        );
    }
  };
}

const STATUS: Record<AnsweredFault, number> = {
  too_many: 429,
  unavailable: 503,
  server_error: 500,
  token_expired: 401,
  token_revoked: 401,
};

function answerFault(
  kind: AnsweredFault,
  { retryAfterSeconds }: Fault,
  response: Response,
  wording: (kind: AnsweredFault, response: Response) => void,
): void {
  response.status(STATUS[kind]);
  const seconds = retryAfterSeconds ?? (kind === 'too_many' ? 1 : undefined);
  if (seconds !== undefined) response.set('Retry-After', String(seconds));
  wording(kind, response);
}

function plainWording(kind: AnsweredFault, response: Response): void {
  response.json({ error: { code: response.statusCode, message: `Simulated: ${kind}.` } });
}

/** All that is written goes nowhere; where the answer would end, the connection does. */
function loseAnswer(response: ServerResponse): void {
  response.write = () => true;
  response.end = () => {
    response.socket?.destroy();
    return response;
  };
}

function holdAgainst(
  description: RequestDescription | null,
  violations: Violation[],
): express.RequestHandler {
  return async (request, response, next) => {
    const { pathname, searchParams } = new URL(request.originalUrl, 'http://vendor');
    const reason = await description?.problem({
      method: request.method,
      path: pathname,
      query: searchParams,
      headers: request.headers,
      body: rawBody(request),
    });
    if (!reason) return next();
    violations.push({ method: request.method, path: request.originalUrl, reason });
    response.status(400).json({ error: { code: 400, message: reason } });
  };
}

function unknownRoute(name: string): express.RequestHandler {
  return (request, response) => {
    const message = `The simulator of ${name} does not play ${request.method} ${request.path}.`;
    response.status(404).json({ error: { code: 404, message } });
  };
}

function plainError(name: string): express.ErrorRequestHandler {
  return (error: unknown, _request, response, next) => {
    if (response.headersSent) return next(error);
    const status = (error as { status?: number }).status ?? 500; // body parsers name a status
    const told = error instanceof Error ? error.message : String(error);
    response.status(status).json({
      error: { code: status, message: `The simulator of ${name} failed: ${told}` },
    });
  };
}

import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import type { Actor } from '../db/schema.ts';
import type { Id, IdKind, TenantId } from '../domain/ids.ts';
import type { ApiDeps } from './deps.ts';
import type { Scope } from './scopes.ts';

/** Who calls: one API key of one tenant. */
export interface Caller {
  readonly tenantId: TenantId;
  readonly keyId: string;
  readonly scopes: readonly string[];
  readonly actor: Actor;
}

/** What a handler is given: everything already authenticated, parsed and checked. */
export interface Call<P, Q, B> {
  readonly deps: ApiDeps;
  readonly tenantId: TenantId;
  readonly caller: Caller;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** As sent, names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly requestId: string;
  /** As sent; repeats are already answered before a handler sees them. */
  readonly idempotencyKey: string | null;
  /** A new id; a repeat of a request whose answer was lost gets the same one, so that it can find what it made. */
  readonly newId: <K extends IdKind>(kind: K) => Id<K>;
  /** Ends with the caller's connection. */
  readonly signal: AbortSignal;
  /** The unread body of an upload. */
  readonly upload: IncomingMessage;
}

/** An answer that says more than its body. */
export class Answer<T> {
  readonly body: T | undefined;
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly stream: AsyncIterable<Uint8Array> | undefined;
  constructor(
    body: T | undefined,
    more: {
      status?: number;
      headers?: Readonly<Record<string, string>>;
      stream?: AsyncIterable<Uint8Array>;
    } = {},
  ) {
    this.body = body;
    this.status = more.status;
    this.headers = more.headers ?? {};
    this.stream = more.stream;
  }
}

/** `return answer(ticket, { headers: { ETag: etag(ticket.version) } })` */
export function answer<T>(
  body: T,
  more: { status?: number; headers?: Readonly<Record<string, string>> } = {},
): Answer<T> {
  return new Answer(body, more);
}

/** Bytes, streamed chunk by chunk. */
export function download(
  stream: AsyncIterable<Uint8Array>,
  headers: Readonly<Record<string, string>>,
): Answer<never> {
  return new Answer<never>(undefined, { stream, headers });
}

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';
const NOTHING = z.object({});
type Nothing = typeof NOTHING;

/** One route, declared once: validation and OpenAPI both come from here. */
export interface RouteDeclaration<
  P extends z.ZodObject,
  Q extends z.ZodObject,
  B extends z.ZodType,
  R extends z.ZodType,
> {
  readonly method: Method;
  /** As in OpenAPI: `/v1/tickets/{id}`. */
  readonly path: `/v1/${string}`;
  readonly summary: string;
  readonly description?: string;
  readonly tags: readonly string[];
  readonly scope: Scope;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  /** What OpenAPI shows instead of `body`, where a handler checks more than `body` can say. */
  readonly documentedBody?: z.ZodType;
  /** The body may be left out; it is then read as `{}`. */
  readonly bodyOptional?: boolean;
  /** The body is not read here: the handler streams `call.upload`. Value: media types for OpenAPI. */
  readonly upload?: readonly string[];
  /** Largest body in bytes; default 1 MiB. */
  readonly maxBytes?: number;
  /** What is answered on success; left out: 204, or bytes where `downloads` names a media type. */
  readonly response?: R;
  readonly downloads?: string;
  /** Default 201 for POST, else 200; 204 without a response. */
  readonly status?: 200 | 201 | 202 | 204;
  /** Other statuses of success, with the same body: when. */
  readonly otherAnswers?: Readonly<Partial<Record<200 | 202, string>>>;
  /** Request headers for OpenAPI: `{ 'If-Match': 'Only where the ticket still has this version.' }`. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly responseHeaders?: Readonly<Record<string, string>>;
  readonly handler: (
    call: Call<z.output<P>, z.output<Q>, z.output<B>>,
  ) => Promise<z.output<R> | Answer<z.output<R>>>;
}

export type AnyRoute = RouteDeclaration<z.ZodObject, z.ZodObject, z.ZodType, z.ZodType>;

/** Declares a route; its handler's types follow from its schemas. */
export function route<
  P extends z.ZodObject = Nothing,
  Q extends z.ZodObject = Nothing,
  B extends z.ZodType = z.ZodUndefined,
  R extends z.ZodType = z.ZodVoid,
>(declaration: RouteDeclaration<P, Q, B, R>): AnyRoute {
  return declaration; // mount.ts hands the handler only what these very schemas have parsed
}

export function successStatus({
  status,
  response,
  downloads,
  method,
}: Pick<AnyRoute, 'status' | 'response' | 'downloads' | 'method'>): number {
  if (status !== undefined) return status;
  if (downloads !== undefined) return 200;
  if (response === undefined) return 204;
  return method === 'post' ? 201 : 200;
}

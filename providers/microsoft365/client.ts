import {
  Client,
  GraphError,
  ResponseType,
  type Context,
  type Middleware,
} from '@microsoft/microsoft-graph-client';
import { setTimeout as sleep } from 'node:timers/promises';
import { ProviderFailure } from '../../domain/failure.ts';
import { withHeartbeats } from '../heartbeats.ts';
import { cloudOf, mailboxPath } from './cloud.ts';
import { graphFailure, networkFault } from './failure.ts';
import { IdleLimit } from './idle.ts';
import { obtainTokens, type Microsoft365Call } from './sign-in.ts';

/** Requests of one app on one mailbox at a time (https://learn.microsoft.com/graph/throttling-limits). */
const MOST_AT_ONCE = 4;
/** A Retry-After up to here is waited for, a longer one is the caller's business. */
export const PATIENCE_MS = 10_000;
const FIRST_PAUSE_MS = 200;
/** One token may have been refused in passing; a third one says that the account is. */
const MOST_REFUSED_TOKENS = 2;
const IMMUTABLE_IDS = 'IdType="ImmutableId"';
/** The client library adds no token to other addresses; where a request really goes is `cloudOf`. */
const LIBRARY_BASE = 'https://graph.microsoft.com';

export interface GraphRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Below `/v1.0`, with its query: `/me/messages?$top=1`. */
  readonly path: string;
  /** An object goes as JSON, a string as `text/plain`; a function makes it anew for each try. */
  readonly body?: object | string | (() => object);
  readonly prefer?: string;
  /** The least permission that it needs; named where it is missing. */
  readonly permission?: string;
  /** Whether doing it twice does no harm; by default for GET alone. */
  readonly repeatable?: boolean;
  /** How long `read` waits for any byte; by default as long as the call allows a request. */
  readonly idleMs?: number;
}

/** Graph as one channel's calls use it: with the account's tokens, its limits, and patience for passing faults. */
export class Graph {
  /** `/me` or `/users/{mailbox}`. */
  readonly mailbox: string;
  readonly call: Microsoft365Call;
  /** Whether several requests are sent in one; false from the first time that this brought nothing. */
  isBatching = true;
  /** Whether mails are asked how large they are; false from the first time that this was refused. */
  isMeasuring = true;
  readonly #client: Client;

  constructor(call: Microsoft365Call) {
    this.call = call;
    this.mailbox = mailboxPath(call.settings);
    this.#client = Client.initWithMiddleware({
      baseUrl: LIBRARY_BASE,
      middleware: new GuardedTransport(call),
    });
  }

  /** The answer's JSON; undefined where it has none. @throws ProviderFailure */
  async ask<T>(request: GraphRequest): Promise<T> {
    return this.#patiently(request, (token) => this.#json<T>(request, token));
  }

  /**
   * Reads an answer's bytes by `read`, however long they come; from the beginning again where they break off, or where
   * `read` throws a GraphError. @throws ProviderFailure
   */
  async read<T>(
    request: GraphRequest,
    read: (body: AsyncIterable<Uint8Array>) => Promise<T>,
  ): Promise<T> {
    return this.#patiently(request, async (token) => {
      const idle = new IdleLimit(request.idleMs ?? this.call.timeoutMs);
      try {
        const prepared = this.#prepared(request, token)
          .option('signal', idle.signal)
          .responseType(ResponseType.RAW);
        const answer = (await (request.method === 'POST'
          ? prepared.post(bodyOf(request))
          : prepared.get())) as Response; // by the response type
        // The library takes what isn't ok for an answer here: so the error is read by ourselves.
        if (!answer.ok) throw await errorOf(answer);
        return await read(idle.watch(answer.body ?? emptyBody())).catch((error: unknown) => {
          throw error instanceof GraphError ? error : networkFault(error);
        });
      } finally {
        idle.end();
      }
    });
  }

  #prepared({ path, body, prefer }: GraphRequest, token: string) {
    const prepared = this.#client
      .api(path)
      .header('Authorization', `Bearer ${token}`)
      .header('Prefer', prefer === undefined ? IMMUTABLE_IDS : `${IMMUTABLE_IDS}, ${prefer}`);
    return typeof body === 'string' ? prepared.header('Content-Type', 'text/plain') : prepared;
  }

  async #json<T>(request: GraphRequest, token: string): Promise<T> {
    const prepared = this.#prepared(request, token);
    // What Graph answers is as its documentation says; callers look at each field they use.
    switch (request.method) {
      case 'GET':
        return (await prepared.get()) as T;
      case 'POST':
        return (await prepared.post(bodyOf(request))) as T;
      case 'PATCH':
        return (await prepared.patch(request.body)) as T;
      case 'DELETE':
        return (await prepared.delete()) as T;
    }
  }

  /** Tries again where that is safe: a token refused, a throttled request, and passing faults of what is repeatable. */
  async #patiently<T>(request: GraphRequest, work: (token: string) => Promise<T>): Promise<T> {
    const { call } = this;
    let refused = 0;
    for (let tries = 0; ;) {
      call.signal.throwIfAborted();
      let token: string | undefined;
      try {
        token = await call.tokens.access((kept) => obtainTokens(call, kept));
        const given = token;
        return await withHeartbeats(call, () => call.limits.slot(MOST_AT_ONCE, () => work(given)));
      } catch (error) {
        call.signal.throwIfAborted();
        const failure = graphFailure(error, call.settings, request.permission);
        if (!(failure instanceof ProviderFailure)) throw failure;
        if (token !== undefined && failure.status === 401 && refused < MOST_REFUSED_TOKENS) {
          refused += 1;
          await call.tokens.refuse(token);
          continue;
        }
        tries += 1;
        // Without a token nothing was asked for yet.
        const isHarmless = token === undefined || (request.repeatable ?? request.method === 'GET');
        await this.#pauseOrGiveUp(failure, tries, isHarmless);
      }
    }
  }

  /** @param isHarmless doing it twice does no harm */
  async #pauseOrGiveUp(
    failure: ProviderFailure,
    tries: number,
    isHarmless: boolean,
  ): Promise<void> {
    const { call } = this;
    const toldMs = failure.class === 'wait' ? failure.retryAfterMs : undefined;
    const isTold = toldMs !== undefined;
    const pauseMs = toldMs ?? FIRST_PAUSE_MS * 2 ** tries * (0.5 + Math.random() / 2);
    if (isTold) await call.limits.pause(new Date(Date.now() + pauseMs));
    // A throttled request was not done (429), whatever it was.
    const mayRepeat = isHarmless
      ? (failure.class === 'retry' && !isCursorExpired(failure)) || isTold
      : isTold && failure.status === 429;
    if (!mayRepeat || tries > call.settings.max_retries || pauseMs > PATIENCE_MS) throw failure;
    await withHeartbeats(call, () => sleep(pauseMs, undefined, { signal: call.signal }));
  }
}

function bodyOf({ body = '' }: GraphRequest): object | string {
  return typeof body === 'function' ? (body as () => object)() : body; // other functions are none of `GraphRequest`'s
}

/** The same question would be answered the same. */
function isCursorExpired({ code }: ProviderFailure): boolean {
  return code === 'microsoft365.cursor_expired';
}

/** Last in the library's chain: over the guarded network, to the address that the settings name. */
class GuardedTransport implements Middleware {
  readonly #call: Microsoft365Call;

  constructor(call: Microsoft365Call) {
    this.#call = call;
  }

  async execute(context: Context): Promise<void> {
    const { network, settings, signal, timeoutMs } = this.#call;
    const asked = typeof context.request === 'string' ? context.request : context.request.url;
    const { method, headers, body, signal: limit } = context.options ?? {};
    try {
      context.response = await network.fetch(asked.replace(LIBRARY_BASE, cloudOf(settings).graph), {
        method,
        headers: headers as Record<string, string>, // the library makes it of header() alone
        ...(body != null && body !== '' && { body: body as string }), // made of a string or JSON
        signal: AbortSignal.any([signal, limit ?? AbortSignal.timeout(timeoutMs)]),
      });
    } catch (error) {
      throw networkFault(error);
    }
  }
}

async function errorOf(answer: Response): Promise<Error> {
  const told = (await answer.json().catch(() => null)) as {
    error?: { code?: string; message?: string };
  } | null; // each field may be missing
  const error = new GraphError(answer.status, told?.error?.message ?? '');
  error.code = told?.error?.code ?? null;
  error.headers = answer.headers;
  return error;
}

async function* emptyBody(): AsyncGenerator<Uint8Array> {}

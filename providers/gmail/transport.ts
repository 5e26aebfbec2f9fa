import { Readable } from 'node:stream';
import { ProviderFailure } from '../../domain/failure.ts';
import { DEFAULT_MAX_BYTES, type GmailCall } from './call.ts';
import { lostFailure } from './failure.ts';

/** What an answer holds beside a mail, and what base64 adds to that. */
const SLACK_BYTES = 1024 * 1024;

/** An answer beyond what is taken whole; told apart from what Google says. */
export class AnswerTooLarge extends Error {
  override name = 'AnswerTooLarge';
}

/** Google's address, or the same one under the channel's base_url: `https://gmail.googleapis.com/x` → `<base>/x`. */
export function addressOf({ settings }: Pick<GmailCall, 'settings'>, url: string): URL {
  if (settings.base_url === undefined) return new URL(url);
  const { pathname, search } = new URL(url);
  return new URL(settings.base_url.replace(/\/+$/, '') + pathname + search);
}

/**
 * `fetch` for Google's library and our own token calls: through the guard, to the channel's base_url, bounded in time
 * and in bytes. @throws ProviderFailure where there is no answer, AnswerTooLarge
 */
export function fetchFor(call: GmailCall, mostBytes?: number): typeof fetch {
  const most = mostBytes ?? Math.ceil((call.maxBytes ?? DEFAULT_MAX_BYTES) * (4 / 3)) + SLACK_BYTES;
  return async (input, init = {}) => {
    const target = addressOf(call, input instanceof Request ? input.url : String(input));
    const body = await wholeBody(init.body);
    using limit = boundedTime(call);
    try {
      const response = await call.network.fetch(target, {
        method: init.method ?? 'GET',
        headers: Object.fromEntries(new Headers(init.headers)),
        ...(body && { body }),
        signal: limit.signal,
      });
      const bytes = await bounded(response, most);
      const { status, headers } = response;
      return new Response(bytes.length === 0 ? null : bytes, { status, headers: [...headers] });
    } catch (error) {
      call.signal.throwIfAborted();
      if (error instanceof AnswerTooLarge) throw error;
      throw lostFailure(error, target);
    }
  };
}

/** Ends with the call, or after its time for one request; nothing of it is left once the request is over. */
function boundedTime({ signal, timeoutMs }: GmailCall): Disposable & { signal: AbortSignal } {
  const ending = new AbortController();
  const cancel = () => ending.abort(signal.reason);
  const timer = setTimeout(() => {
    ending.abort(new DOMException(`No answer within ${timeoutMs} ms`, 'TimeoutError'));
  }, timeoutMs);
  signal.addEventListener('abort', cancel, { once: true });
  if (signal.aborted) cancel();
  return {
    signal: ending.signal,
    [Symbol.dispose]() {
      clearTimeout(timer);
      signal.removeEventListener('abort', cancel);
    },
  };
}

/** A multipart upload is made as a stream; it goes out in one piece, so that it can be told when it did. */
async function wholeBody(
  body: RequestInit['body'] | Readable,
): Promise<Uint8Array | string | undefined> {
  if (body == null || typeof body === 'string') return body ?? undefined;
  if (body instanceof URLSearchParams) return body.toString();
  if (body instanceof Uint8Array) return body;
  if (body instanceof Readable) return Buffer.concat(await body.toArray());
  throw new TypeError('This body is of no kind that Google’s library sends.');
}

async function bounded(response: Response, most: number): Promise<Buffer<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    // Leaving the loop ends the connection: the rest is not read.
    if (bytes > most) throw new AnswerTooLarge(`More than ${most} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** What fetch, and the library around it, made of a failure of ours. */
export function ownErrorWithin(error: unknown): ProviderFailure | AnswerTooLarge | null {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (cause instanceof ProviderFailure || cause instanceof AnswerTooLarge) return cause;
  return null;
}

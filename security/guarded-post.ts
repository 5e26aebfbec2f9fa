import type { Dispatcher } from 'undici';

export interface GuardedPost {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** From connecting to the end of the answer's headers; a body that takes longer is cut. */
  readonly timeoutMs: number;
  /** Ends the request; what came until then is forgotten. */
  readonly signal?: AbortSignal;
  /** False accepts any certificate: an admin's choice per endpoint. */
  readonly verifyTls?: boolean;
  /** How much of the answer is kept, and how much is read before the connection is dropped; in bytes. */
  readonly keep: number;
  readonly read: number;
}

export interface PostAnswer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly start: Buffer;
  /** The answer is longer than `start`. */
  readonly cut: boolean;
}

/** No answer came in time. */
export class PostTimeout extends Error {
  override name = 'PostTimeout';
}

/** Ports of other protocols, which `fetch` never calls either (Fetch standard, "bad port"). */
const BAD_PORTS = new Set(
  (
    '0 1 7 9 11 13 15 17 19 20 21 22 23 25 37 42 43 53 69 77 79 87 95 101 102 103 104 109 110 111 113 115 117 119 123 ' +
    '135 137 139 143 161 179 389 427 465 512 513 514 515 526 530 531 532 540 548 554 556 563 587 601 636 989 990 993 ' +
    '995 1719 1720 1723 2049 3659 4045 4190 5060 5061 6000 6566 6665 6666 6667 6668 6669 6679 6697 10080'
  ).split(' '),
);

/**
 * Posts by undici's bare dispatch, which costs a fifth of `fetch`. Redirects are not followed, nothing is decoded.
 * @throws PostTimeout, the signal's reason, or what went wrong at connecting.
 */
export function postOver(
  dispatcher: Dispatcher,
  url: URL,
  { headers, body, timeoutMs, signal, keep, read }: GuardedPost,
): Promise<PostAnswer> {
  if (BAD_PORTS.has(url.port)) return Promise.reject(new Error('bad port'));
  return new Promise((answered, failed) => {
    let controller: Dispatcher.DispatchController | null = null;
    let ended = false;
    let status = 0;
    let retryAfter: string | null = null;
    let size = 0;
    const kept: Buffer[] = [];

    const leave = () => {
      ended = true;
      clearTimeout(timer);
      signal?.removeEventListener('abort', cancel);
    };
    const finish = () => {
      if (ended) return;
      leave();
      const start = kept.length === 1 ? kept[0]! : Buffer.concat(kept);
      answered({ status, retryAfter, start: start.subarray(0, keep), cut: size > keep });
    };
    const fail = (error: Error) => {
      if (ended) return;
      leave();
      failed(error);
    };
    const cancel = () => {
      const reason: unknown = signal!.reason;
      fail(reason instanceof Error ? reason : new Error(String(reason)));
      controller?.abort(new Error('cancelled'));
    };
    /** A status line that came is not taken back by a body that doesn't end. */
    const late = () => {
      if (status > 0) finish();
      else fail(new PostTimeout(`No answer came within ${timeoutMs} ms.`));
      controller?.abort(new PostTimeout());
    };
    const timer = setTimeout(late, timeoutMs);
    if (signal?.aborted) return cancel();
    signal?.addEventListener('abort', cancel);

    const path = url.pathname + url.search;
    dispatcher.dispatch(
      { origin: url.origin, path, method: 'POST', headers: { ...headers }, body },
      {
        onRequestStart(given) {
          controller = given;
          if (ended) given.abort(new Error('no longer wanted'));
        },
        onResponseStart(_, code, answerHeaders) {
          if (code < 200) return;
          status = code;
          const given = answerHeaders['retry-after'];
          retryAfter = typeof given === 'string' ? given : (given?.[0] ?? null);
        },
        onResponseData(given, chunk) {
          if (size < keep) kept.push(chunk);
          size += chunk.length;
          if (size < read) return;
          finish();
          given.abort(new Error('enough was read'));
        },
        onResponseEnd: finish,
        onResponseError(_, error) {
          if (status > 0) finish();
          else fail(error);
        },
      },
    );
  });
}

import { readRetryAfter } from '../domain/delivery-backoff.ts';
import { explainNetworkError } from '../security/network-error.ts';
import type { GuardedNetwork } from '../security/ssrf-guard.ts';
import { webhookHeaders } from '../security/webhook-signature.ts';
import type { LoadedDelivery } from '../db/queries/deliveries.ts';

const SHOWN_BYTES = 1024;
/** Read past, so that the connection can be kept; of a longer answer the connection is dropped. */
const READ_BYTES = 65_536;
const USER_AGENT = 'Postroom-Webhooks/1';
const GONE = 410;

export interface DeliveryAnswer {
  readonly at: Date;
  readonly durationMs: number;
  readonly delivered: boolean;
  /** The receiver wants no more of it. */
  readonly final: boolean;
  readonly statusCode: number | null;
  readonly error: string | null;
  /** For the history, which holds no host or address: `HTTP 500`, `ECONNREFUSED`. */
  readonly reason: string;
  readonly responseStart: string | null;
  readonly retryAfterMs: number | null;
}

/**
 * Posts a delivery once. Delivered means a 2xx status line came within the time; redirects are not followed, and every
 * other status is tried again but 410 Gone. @throws the signal's reason where `cancelled` ends it.
 */
export async function postDelivery(
  network: GuardedNetwork,
  { event, endpoint }: LoadedDelivery,
  cancelled: AbortSignal,
): Promise<DeliveryAnswer> {
  const at = new Date();
  const began = performance.now();
  const late = AbortSignal.timeout(endpoint.timeoutMs);
  const body = JSON.stringify(event);
  try {
    const response = await network.fetch(endpoint.url, {
      method: 'POST',
      headers: {
        'user-agent': USER_AGENT,
        ...lowerCased(endpoint.headers),
        'content-type': 'application/json',
        ...webhookHeaders(endpoint.secret, { id: event.id, sentAt: at, body }),
      },
      body,
      signal: AbortSignal.any([late, cancelled]),
      verifyTls: endpoint.verifyTls,
    });
    const responseStart = await readStart(response);
    cancelled.throwIfAborted();
    return {
      ...judge(response),
      at,
      durationMs: performance.now() - began,
      responseStart,
      retryAfterMs: readRetryAfter(response.headers.get('retry-after'), new Date()),
    };
  } catch (error) {
    cancelled.throwIfAborted();
    const seconds = endpoint.timeoutMs / 1000;
    const { code, message } = late.aborted
      ? { code: 'timeout', message: `No answer came within ${seconds} s (timeout_seconds).` }
      : explainNetworkError(error);
    return {
      at,
      durationMs: performance.now() - began,
      delivered: false,
      final: false,
      statusCode: null,
      error: message,
      reason: code,
      responseStart: null,
      retryAfterMs: null,
    };
  }
}

function judge({ status, ok }: Response) {
  const error = ok ? null : explainStatus(status);
  return {
    statusCode: status,
    delivered: ok,
    final: status === GONE,
    error,
    reason: `HTTP ${status}`,
  };
}

function explainStatus(status: number): string {
  if (status >= 300 && status < 400)
    return `The endpoint answered ${status}, a redirect. Redirects are not followed: set the endpoint’s url to where it leads.`;
  if (status === GONE)
    return 'The endpoint answered 410 Gone: it wants no more of this delivery, which is not tried again.';
  if (status === 401 || status === 403)
    return `The endpoint answered ${status}: it did not let the request in. Check its headers and secret.`;
  return `The endpoint answered ${status}; only 2xx counts as delivered.`;
}

/** The first KiB of the answer. A body that breaks off or never ends takes nothing back from the status line. */
async function readStart(response: Response): Promise<string | null> {
  if (response.body === null) return null;
  const reader = response.body.getReader();
  const start = new Uint8Array(SHOWN_BYTES);
  let read = 0;
  try {
    while (read < READ_BYTES) {
      const { done, value } = await reader.read();
      if (done) return text(start, read);
      if (read < SHOWN_BYTES) start.set(value.subarray(0, SHOWN_BYTES - read), read);
      read += value.length;
    }
    await reader.cancel();
  } catch {
    // Timed out or broken off in mid-body: what came is shown.
  }
  return text(start, read);
}

/** A character cut in two at the end is left out, as are NULs, which Postgres can't store. */
function text(bytes: Uint8Array, length: number): string {
  const decoded = new TextDecoder().decode(bytes.subarray(0, Math.min(length, SHOWN_BYTES)));
  return (length > SHOWN_BYTES ? decoded.replace(/\uFFFD$/, '') : decoded).replaceAll('\0', '');
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
}

import { readRetryAfter } from '../domain/delivery-backoff.ts';
import { explainNetworkError } from '../security/network-error.ts';
import { PostTimeout, type PostAnswer } from '../security/guarded-post.ts';
import type { GuardedNetwork } from '../security/ssrf-guard.ts';
import { webhookHeaders } from '../security/webhook-signature.ts';
import { currentTraceparent } from '../telemetry/trace.ts';
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
  { event, endpoint }: Pick<LoadedDelivery, 'event' | 'endpoint'>,
  cancelled: AbortSignal,
  traceparent: string | null = currentTraceparent(),
): Promise<DeliveryAnswer> {
  const at = new Date();
  const began = performance.now();
  const body = JSON.stringify(event);
  try {
    const answer = await network.post(endpoint.url, {
      headers: {
        'user-agent': USER_AGENT,
        ...lowerCased(endpoint.headers),
        'content-type': 'application/json',
        ...(traceparent === null ? {} : { traceparent }),
        ...webhookHeaders(endpoint.secret, { id: event.id, sentAt: at, body }),
      },
      body,
      timeoutMs: endpoint.timeoutMs,
      signal: cancelled,
      verifyTls: endpoint.verifyTls,
      keep: SHOWN_BYTES,
      read: READ_BYTES,
    });
    return {
      ...judge(answer.status),
      at,
      durationMs: performance.now() - began,
      responseStart: text(answer),
      retryAfterMs: readRetryAfter(answer.retryAfter, new Date()),
    };
  } catch (error) {
    cancelled.throwIfAborted();
    const seconds = endpoint.timeoutMs / 1000;
    const { code, message } =
      error instanceof PostTimeout
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

/** An endpoint that was deleted or switched off gets nothing; pings go out all the same while it exists. */
export function unsent(
  { state }: Pick<LoadedDelivery['endpoint'], 'state'>,
  { type }: Pick<LoadedDelivery['event'], 'type'>,
): DeliveryAnswer | null {
  if (state === 'active') return null;
  if (state === 'inactive' && type === 'ping') return null;
  const error =
    state === 'deleted'
      ? 'The endpoint was deleted; nothing was sent.'
      : 'The endpoint is switched off (is_active: false); nothing was sent. Switch it on and replay.';
  return {
    at: new Date(),
    durationMs: 0,
    delivered: false,
    final: true,
    statusCode: null,
    error,
    reason: `endpoint ${state}`,
    responseStart: null,
    retryAfterMs: null,
  };
}

function judge(status: number) {
  const ok = status >= 200 && status < 300;
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

const decoder = new TextDecoder();

/** The first KiB. A character cut in two at the end is left out, as are NULs, which Postgres can't store. */
function text({ start, cut }: PostAnswer): string {
  if (start.length === 0) return '';
  const decoded = decoder.decode(start);
  return (cut ? decoded.replace(/\uFFFD$/, '') : decoded).replaceAll('\0', '');
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
}

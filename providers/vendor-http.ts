import { ProviderFailure, type FailureClass } from '../domain/failure.ts';
import { explainNetworkError } from '../security/network-error.ts';
import { serverWords } from './connect.ts';
import type { ProviderCall } from './contract.ts';

/** A vendor's HTTP API, as its failures are told. */
export interface Vendor {
  /** Begins every failure's code: `postmark`. */
  readonly code: string;
  readonly title: string;
  /** What an admin looks at when the vendor refuses the login: `api_key`. */
  readonly credential: string;
}

export interface VendorRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** How much of an answer is taken, in bytes. Default 1 MiB. */
  readonly maxBytes?: number;
}

export interface VendorAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
}

type Call = Pick<ProviderCall<unknown>, 'network' | 'signal' | 'timeoutMs' | 'limits' | 'turn'>;

const MOST_BYTES = 1024 * 1024;
const WAIT_MS = 60_000;
/** What a vendor asks for beyond this is a fault, and nobody could end such a pause. */
const LONGEST_WAIT_MS = 24 * 3_600_000;
/** Requests of one account that are under way at once, over all workers. */
const MOST_AT_ONCE = 10;

/** Asks for something that can be asked again. Any status is an answer. @throws ProviderFailure where none came */
export async function ask(
  call: Call,
  vendor: Vendor,
  request: VendorRequest,
): Promise<VendorAnswer> {
  return call.limits.slot(MOST_AT_ONCE, async () => {
    call.signal.throwIfAborted();
    try {
      return await exchange(call, request);
    } catch (error) {
      call.signal.throwIfAborted();
      throw networkFailure(error, vendor, request, false);
    }
  });
}

/**
 * Hands a message over: `transmitting` is called right before the request leaves.
 * @throws ProviderFailure where no answer came: `uncertain`, unless no connection came about
 */
export async function transmit(
  call: Call,
  vendor: Vendor,
  request: VendorRequest,
  transmitting: () => Promise<void>,
): Promise<VendorAnswer> {
  return call.limits.slot(MOST_AT_ONCE, async () => {
    // With its place in hand: it leaves right after its turn has come.
    await call.turn?.();
    call.signal.throwIfAborted();
    await transmitting();
    try {
      return await exchange(call, request);
    } catch (error) {
      throw networkFailure(error, vendor, request, true);
    }
  });
}

async function exchange(call: Call, request: VendorRequest): Promise<VendorAnswer> {
  const { method, url, headers, body, maxBytes = MOST_BYTES } = request;
  const response = await call.network.fetch(url, {
    method,
    headers,
    ...(body === undefined ? {} : { body }),
    signal: AbortSignal.any([call.signal, AbortSignal.timeout(call.timeoutMs)]),
  });
  return {
    status: response.status,
    headers: response.headers,
    body: await bounded(response, maxBytes),
  };
}

async function bounded(response: Response, most: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > most) throw new AnswerTooLarge(`The answer is larger than ${most} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

class AnswerTooLarge extends Error {
  override name = 'AnswerTooLarge';
}

/** Faults after which nothing can have reached the vendor. */
const NEVER_CONNECTED =
  /^(ENOTFOUND|EAI_AGAIN|ETIMEOUT|ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT|EPROTO|ERR_SSL_|ERR_TLS_|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|bad_port|target_refused)/;

function networkFailure(
  error: unknown,
  vendor: Vendor,
  { url }: VendorRequest,
  isTransmission: boolean,
): Error {
  if (error instanceof ProviderFailure) return error;
  const { host } = new URL(url);
  const fault = explainNetworkError(error);
  const failure = (code: string, kind: FailureClass, message: string, uncertain = false) =>
    new ProviderFailure(
      { code: `${vendor.code}.${code}`, class: kind, message, ...(uncertain && { uncertain }) },
      { cause: error },
    );
  if (fault.code === 'target_refused' || fault.code === 'bad_port')
    return failure('host_not_allowed', 'give_up', fault.message);
  if (error instanceof AnswerTooLarge)
    return failure('answer_too_large', 'give_up', `${vendor.title}: ${error.message}`);
  if (NEVER_CONNECTED.test(fault.code))
    return failure('unreachable', 'retry', `${vendor.title} (${host}): ${fault.message}`);
  if (isTransmission)
    return failure(
      'answer_lost',
      'retry',
      `${vendor.title} was handed the message, but its answer never came: it may have been sent.`,
      true,
    );
  const timedOut = error instanceof Error && error.name === 'TimeoutError';
  return failure(
    timedOut ? 'timeout' : 'connection_lost',
    'retry',
    timedOut
      ? `${vendor.title} (${host}) did not answer in time.`
      : `${vendor.title} (${host}): ${fault.message}`,
  );
}

export interface Refusal {
  /** The vendor's own words; addresses are left out of what is told. */
  readonly words: string;
  /** Where the vendor's answer says more than its status does. */
  readonly class?: FailureClass;
  /** Machine-readable, from the vendor's answer: `inactive_recipient`. Default: from the status. */
  readonly code?: string;
  /** Where the vendor tells by other means than Retry-After when it may be asked again. */
  readonly retryAfterMs?: number;
}

/** An answer that is a refusal, classified; a 429 also keeps the other workers off for as long. */
export async function refusalFailure(
  call: Call,
  vendor: Vendor,
  { status, headers }: VendorAnswer,
  { words, ...told }: Refusal,
): Promise<ProviderFailure> {
  const kind = told.class ?? classOfStatus(status);
  const asked = told.retryAfterMs ?? retryAfter(headers);
  const wanted = kind === 'wait' ? (asked ?? WAIT_MS) : asked;
  const retryAfterMs = wanted === undefined ? undefined : Math.min(wanted, LONGEST_WAIT_MS);
  if (kind === 'wait' && retryAfterMs !== undefined)
    await call.limits.pause(new Date(Date.now() + retryAfterMs));
  const said = serverWords(words);
  return new ProviderFailure({
    code: `${vendor.code}.${told.code ?? CODES[kind]}`,
    class: kind,
    status,
    message: `${meaning(kind, vendor)}${said === '' ? '' : ` It says: "${said}".`}`,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    // A gateway in between gave up waiting: what is behind it may have done its work.
    ...((status === 502 || status === 504) && { uncertain: true }),
  });
}

const CODES: Record<FailureClass, string> = {
  retry: 'unavailable',
  wait: 'too_many_requests',
  reauthenticate: 'login_refused',
  give_up: 'refused',
};

function meaning(kind: FailureClass, { title, credential }: Vendor): string {
  switch (kind) {
    case 'retry':
      return `${title} has a fault just now; it is tried again.`;
    case 'wait':
      return `${title} asks us to come back later.`;
    case 'reauthenticate':
      return `${title} refuses the login. Check "${credential}" in the channel’s settings.`;
    case 'give_up':
      return `${title} refuses the request.`;
  }
}

export function classOfStatus(status: number): FailureClass {
  if (status === 401 || status === 407) return 'reauthenticate';
  if (status === 429) return 'wait';
  return status >= 500 || status === 408 || status === 425 ? 'retry' : 'give_up';
}

/** Retry-After in seconds or as a date (RFC 9110 §10.2.3), in milliseconds. */
function retryAfter(headers: Headers): number | undefined {
  const given = headers.get('retry-after');
  if (given === null) return undefined;
  const ms = /^\d+$/.test(given) ? Number(given) * 1000 : Date.parse(given) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

import { isNativeError } from 'node:util/types';
import { TargetRefused } from './ssrf-guard.ts';

export interface NetworkFault {
  /** The system's or library's own code: `ECONNREFUSED`; `target_refused`; `unknown`. */
  readonly code: string;
  /** Plain words for the admin who named the host; no stack, no internal address. */
  readonly message: string;
}

const WORDS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'The host’s name could not be found (DNS). Check its spelling.',
  EAI_AGAIN: 'The host’s name could not be looked up just now (DNS).',
  ETIMEOUT: 'The host’s name could not be looked up in time (DNS).',
  ECONNREFUSED: 'The host refused the connection: nothing listens on that port.',
  ECONNRESET: 'The host broke the connection off before it answered.',
  EPIPE: 'The host broke the connection off while the request was being sent.',
  EHOSTUNREACH: 'There is no way to the host (unreachable).',
  ENETUNREACH: 'There is no way to the host’s network (unreachable).',
  ETIMEDOUT: 'No connection to the host came about in time.',
  UND_ERR_CONNECT_TIMEOUT: 'No connection to the host came about in time.',
  UND_ERR_SOCKET: 'The host broke the connection off before it answered.',
  UND_ERR_HEADERS_OVERFLOW: 'The answer’s headers are too large.',
  CERT_HAS_EXPIRED: 'The host’s certificate has expired.',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'The host’s certificate is self-signed.',
  SELF_SIGNED_CERT_IN_CHAIN: 'The host’s certificate comes from an authority that is not trusted.',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'The host’s certificate can’t be traced to a trusted authority.',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    'The host’s certificate can’t be traced to a trusted authority.',
  ERR_TLS_CERT_ALTNAME_INVALID: 'The host’s certificate is made out to another name.',
  EPROTO: 'TLS could not be agreed on: the port may speak plain HTTP.',
  ERR_SSL_WRONG_VERSION_NUMBER: 'TLS could not be agreed on: the port may speak plain HTTP.',
};

/** What went wrong on the way to a host, from whatever fetch, a socket or a resolver threw. */
export function explainNetworkError(error: unknown): NetworkFault {
  for (const each of causes(error)) {
    if (each instanceof TargetRefused) return { code: 'target_refused', message: each.message };
    if (each.message === 'bad port')
      return {
        code: 'bad_port',
        message: 'That port is one of those that fetch never calls (25, 6000 …).',
      };
    if (each.name === 'HTTPParserError')
      return { code: 'not_http', message: 'What answered does not speak HTTP.' };
    const code = codeOf(each);
    if (code === null) continue;
    return { code, message: WORDS[code] ?? `The connection failed (${code}).` };
  }
  return { code: 'unknown', message: 'The connection failed.' };
}

/** The error, what it wraps, and of an AggregateError (every address failed) the first. */
function* causes(error: unknown): Generator<Error> {
  // Not instanceof: Node's own errors may be of another realm.
  for (let at = error; isNativeError(at);) {
    yield at;
    at = 'errors' in at && Array.isArray(at.errors) ? (at.errors[0] as unknown) : at.cause;
  }
}

function codeOf(error: Error): string | null {
  return 'code' in error && typeof error.code === 'string' ? error.code : null;
}

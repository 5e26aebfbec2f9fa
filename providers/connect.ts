import { isIP } from 'node:net';
import { rootCertificates, type ConnectionOptions } from 'node:tls';
import type { GuardedNetwork } from '../security/ssrf-guard.ts';
import type { ValidationProblem } from './contract.ts';

export interface CheckedServer {
  /** The checked address: connect to this. */
  readonly address: string;
  /** The name the certificate must be for; undefined where the host is an address itself. */
  readonly servername: string | undefined;
  readonly tls: ConnectionOptions;
}

/** Resolves a mail server through the guard, and says how to connect to it and to nothing else. */
export async function checkedServer(
  network: GuardedNetwork,
  server: { readonly host: string; readonly verify_tls: boolean; readonly ca?: string },
): Promise<CheckedServer> {
  const { address } = await network.resolve(server.host);
  const servername = isIP(server.host) ? undefined : server.host;
  return {
    address,
    servername,
    tls: {
      servername,
      rejectUnauthorized: server.verify_tls,
      minVersion: 'TLSv1.2',
      ...(server.ca === undefined ? {} : { ca: [...rootCertificates, server.ca] }),
    },
  };
}

/** What a network error means, where the provider's protocol has not spoken yet; null for other errors. */
export function connectionProblem(error: unknown, host: string, port: number): Problem | null {
  const code = codeOf(error);
  if (error instanceof Error && error.name === 'TargetRefused')
    return { step: 'host', code: 'host_not_allowed', detail: error.message, passing: false };
  if (code === 'ENOTFOUND' || code === 'ENODATA')
    return {
      step: 'host',
      code: 'host_unknown',
      detail: `There is no host "${host}" in the DNS. Check its spelling.`,
      passing: true,
    };
  if (code === 'EAI_AGAIN' || code === 'EDNS')
    return {
      step: 'host',
      code: 'dns_failed',
      detail: `The DNS did not answer for "${host}". It is tried again.`,
      passing: true,
    };
  if (code === 'ECONNREFUSED')
    return {
      step: 'port',
      code: 'connection_refused',
      detail: `Nothing listens on ${host}, port ${port}. Check the port, and whether the server runs.`,
      passing: true,
    };
  if (UNREACHABLE.has(code))
    return {
      step: 'port',
      code: 'unreachable',
      detail: `${host}, port ${port}, can't be reached. Check the port and any firewall between.`,
      passing: true,
    };
  const certificate = certificateProblem(code, error);
  if (certificate !== null)
    return {
      step: 'tls',
      code: 'certificate_refused',
      detail: `The certificate of ${host} is not accepted: ${certificate}.`,
      passing: true,
    };
  if (
    TLS_FAULTS.test(code) ||
    (error instanceof Error && /SSL|TLS|wrong version/.test(error.message))
  )
    return {
      step: 'tls',
      code: 'tls_failed',
      detail: `No TLS connection came about with ${host}, port ${port}. Check that "security" fits the port: "tls" speaks TLS from the start, "starttls" later.`,
      passing: true,
    };
  return null;
}

export interface Problem {
  readonly step: 'host' | 'port' | 'tls';
  readonly code: string;
  readonly detail: string;
  /** It may be otherwise the next time. */
  readonly passing: boolean;
}

/** By a failure's code: the step that failed, and the setting to look at. */
export type Places = Readonly<Record<string, Pick<ValidationProblem, 'step' | 'pointer'>>>;

/** The places of `connectionProblem`'s codes, by the pointers to the settings of host, port and TLS. */
export function connectionPlaces(host: string, port = host, tls = host) {
  return {
    host_not_allowed: { step: 'host', pointer: host },
    host_unknown: { step: 'host', pointer: host },
    dns_failed: { step: 'host', pointer: host },
    connection_refused: { step: 'port', pointer: port },
    unreachable: { step: 'port', pointer: port },
    certificate_refused: { step: 'tls', pointer: tls },
    tls_failed: { step: 'tls', pointer: tls },
  } satisfies Places;
}

const UNREACHABLE = new Set([
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'CONNECT_TIMEOUT',
]);

const TLS_FAULTS = /^(ERR_SSL_|ERR_TLS_|EPROTO$|ETLS$|UPGRADE_TIMEOUT$)/;

function certificateProblem(code: string, error: unknown): string | null {
  switch (code) {
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return 'it is made out for another name; use the name that the certificate carries';
    case 'CERT_HAS_EXPIRED':
      return 'it has expired; renew it on the server';
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return 'nobody known vouches for it; give its certificate, or its authority’s, in "ca"';
    default:
      return code.startsWith('CERT_') && error instanceof Error ? error.message : null;
  }
}

function codeOf(error: unknown): string {
  // nodemailer puts a code of its own in front and keeps the socket's beside it.
  const { originalCode, code } = error as { originalCode?: string; code?: string };
  return originalCode ?? code ?? '';
}

/** A server's words for a log or a status: short, one line, without addresses. */
export function serverWords(text: string | undefined): string {
  return (text ?? '')
    .replace(/[^\s<>"(),;:]+@[^\s<>"(),;:]+/g, '[address]')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 300);
}

import type { LookupFunction } from 'node:net';

/** A host that must not be reached. The message names the host and, for admins, the variable that allows it. */
export class TargetRefused extends Error {
  override name = 'TargetRefused';
}

export interface ResolvedTarget {
  readonly host: string;
  /** The checked address: connect to this and to nothing else. */
  readonly address: string;
  readonly family: 4 | 6;
}

/** The one way to a host that a user named: every resolved address is checked, and the checked one is used. */
export interface GuardedNetwork {
  /** Resolves and checks a host; @throws TargetRefused, or the resolver's own error (ENOTFOUND …). */
  readonly resolve: (host: string) => Promise<ResolvedTarget>;
  /** For `net.connect`, `tls.connect`, undici and nodemailer: checks at the moment of connecting. */
  readonly lookup: LookupFunction;
  /** `fetch` over checked, pinned connections; redirects are never followed (`redirect: 'manual'`). */
  readonly fetch: (url: string | URL, init?: GuardedRequest) => Promise<Response>;
}

export interface GuardedRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly signal?: AbortSignal;
  /** False accepts any certificate: an admin's choice per endpoint. */
  readonly verifyTls?: boolean;
}

/**
 * A vendor on loopback: stateful, speaking the vendor's protocol, holding each request against the vendor's own
 * description, and failing where it is told to. Our real clients reach it by their base URL alone.
 */
export interface Simulator {
  /** As in `npm run simulator -- NAME`. */
  readonly name: string;
  /** The vendor's base URL: what a channel's `base_url` is set to. */
  readonly url: string;
  readonly faults: Faults;
  /** What was asked, newest last; a request that the vendor's description doesn't allow is answered 400 and listed in `violations`. */
  readonly requests: readonly SeenRequest[];
  readonly violations: readonly Violation[];
  close(): Promise<void>;
}

export interface SeenRequest {
  readonly at: Date;
  readonly method: string;
  /** Path and query, as asked. */
  readonly path: string;
  readonly status: number;
}

export interface Violation {
  readonly method: string;
  readonly path: string;
  /** What the description does not allow, in plain words. */
  readonly reason: string;
}

/**
 * `too_many`: 429 with Retry-After · `unavailable`: 503 · `server_error`: 500 before anything is done ·
 * `lost_answer`: done, and then the connection ends without an answer · `reset`: the connection ends before anything
 * is done · `hang`: never answered · `token_expired`, `token_revoked`: 401 as the vendor words it.
 */
export type FaultKind =
  | 'too_many'
  | 'unavailable'
  | 'server_error'
  | 'lost_answer'
  | 'reset'
  | 'hang'
  | 'token_expired'
  | 'token_revoked';

export interface Fault {
  readonly kind: FaultKind;
  /** Only requests whose "METHOD /path" it matches; any when missing. */
  readonly match?: RegExp;
  readonly retryAfterSeconds?: number;
}

export interface Faults {
  /** The next `count` matching requests fail so. */
  failNext(fault: Fault, count?: number): void;
  /** Each request fails with this likelihood (0 to 1), by a seeded choice among the kinds; 0 ends it. */
  failSome(rate: number, kinds: readonly FaultKind[], seed?: number): void;
  clear(): void;
}

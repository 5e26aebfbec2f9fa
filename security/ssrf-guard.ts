import { lookup as systemLookup, type LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { callbackify, promisify } from 'node:util';
import { Agent, buildConnector, fetch as undiciFetch } from 'undici';
import { postOver, type GuardedPost, type PostAnswer } from './guarded-post.ts';
import { normalizeHost, readAllowList, specialPurpose } from './address-rules.ts';

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
  /**
   * For `net.connect`, `tls.connect` and nodemailer: checks at the moment of connecting. Node asks no lookup for a
   * literal address: where the host may be one, `resolve` it and connect to the result.
   */
  readonly lookup: LookupFunction;
  /** `fetch` over checked, pinned connections; redirects are never followed (`redirect: 'manual'`). @throws TargetRefused */
  readonly fetch: (url: string | URL, init?: GuardedRequest) => Promise<Response>;
  /** One POST over the same connections, for many of them. @throws TargetRefused, PostTimeout, network faults */
  readonly post: (url: string | URL, post: GuardedPost) => Promise<PostAnswer>;
}

export interface GuardedRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly signal?: AbortSignal;
  /** False accepts any certificate: an admin's choice per endpoint. */
  readonly verifyTls?: boolean;
}

export interface GuardOptions {
  /** Hosts, `*.domains`, addresses or CIDRs that may be reached although private. */
  readonly allow: readonly string[];
  /** All addresses of a host name; the system's resolver when missing. */
  readonly resolver?: (host: string) => Promise<readonly LookupAddress[]>;
  /** For resolving and connecting, in milliseconds; the whole of a request is the caller's `signal`. Default 10 s. */
  readonly timeoutMs?: number;
  /** PEM of authorities to trust instead of the system's. */
  readonly ca?: string;
}

const CONNECT_TIMEOUT_MS = 10_000;
const resolveBySystem = promisify(systemLookup);

/**
 * A guarded way out. Connections are pooled per origin; a pooled one leads where it was checked to lead.
 * @throws Error where `allow` holds an item that is neither host nor network.
 */
export function createGuardedNetwork(
  options: GuardOptions,
): GuardedNetwork & { readonly close: () => Promise<void> } {
  const { timeoutMs = CONNECT_TIMEOUT_MS } = options;
  const permitted = addressCheck(options);
  const lookup = guardedLookup(permitted);
  const agent = (rejectUnauthorized: boolean) =>
    new Agent({ connect: guardedConnector({ ...options, timeoutMs }, lookup, rejectUnauthorized) });
  const verifying = agent(true);
  const trusting = agent(false);

  return {
    lookup,
    async resolve(host) {
      const [first] = await within(timeoutMs, host, permitted(host));
      return { host, address: first!.address, family: first!.family === 6 ? 6 : 4 };
    },
    async fetch(url, { verifyTls = true, ...init } = {}) {
      const target = readTargetUrl(url);
      try {
        const dispatcher = verifyTls ? verifying : trusting;
        return await undiciFetch(target, { ...init, redirect: 'manual', dispatcher });
      } catch (error) {
        throw refusalWithin(error) ?? error;
      }
    },
    async post(url, post) {
      const target = readTargetUrl(url);
      try {
        return await postOver(post.verifyTls === false ? trusting : verifying, target, post);
      } catch (error) {
        throw refusalWithin(error) ?? error;
      }
    },
    async close() {
      await Promise.all([verifying.close(), trusting.close()]);
    },
  };
}

/** Reads a URL that a user named. @throws TargetRefused where it is none, not http(s), or carries credentials. */
export function readTargetUrl(text: string | URL): URL {
  const url = URL.parse(String(text));
  if (!url) throw new TargetRefused('This is not a URL. It wants the form https://host/path.');
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw new TargetRefused(`Only http and https URLs can be called, not ${url.protocol}`);
  if (url.username !== '' || url.password !== '')
    throw new TargetRefused(
      'A URL with a user name or password in it is not called: give them as a header instead.',
    );
  return url;
}

type Permitted = (host: string) => Promise<readonly LookupAddress[]>;

/** Resolves a host to those of its addresses that may be reached. @throws TargetRefused where there is none. */
function addressCheck({ allow, resolver }: GuardOptions): Permitted {
  const allowed = readAllowList(allow);
  const resolve = resolver ?? ((host: string) => resolveBySystem(host, { all: true }));
  return async (given) => {
    const host = normalizeHost(given);
    const family = isIP(host);
    const found = family === 0 ? await resolve(host) : [{ address: host, family }];
    if (found.length === 0)
      throw Object.assign(new Error(`${host} has no address`), { code: 'ENOTFOUND' });
    if (allowed.allowsHost(host)) return found;
    const open = found.filter(
      ({ address }) => allowed.allowsAddress(address) || specialPurpose(address) === null,
    );
    if (open.length === 0) throw refusal(host, specialPurpose(found[0]!.address)!);
    return open;
  };
}

/** Tells what the address is, not which: an internal name's address is no tenant's business. */
function refusal(host: string, what: string): TargetRefused {
  return new TargetRefused(
    `${host} leads to ${what}, which webhooks and integrations may not reach. ` +
      'To permit it, the operator adds the host or its network to POSTROOM_ALLOW_PRIVATE_TARGETS.',
  );
}

function guardedLookup(permitted: Permitted): LookupFunction {
  const check = callbackify(permitted);
  return (host, options, callback) =>
    check(host, (error, open) => {
      if (error) return callback(error, '');
      const family = Number(String(options.family ?? 0).replace('IPv', ''));
      const fitting = open.filter((each) => family === 0 || each.family === family);
      const [first] = fitting;
      if (first === undefined) {
        const none = new Error(`${host} has no IPv${family} address that may be reached`);
        return callback(Object.assign(none, { code: 'ENOTFOUND' }), '');
      }
      if (options.all) callback(null, fitting);
      else callback(null, first.address, first.family);
    });
}

/** Undici's own connector, over the guarded lookup; literal addresses, which are not looked up, are checked first. */
function guardedConnector(
  { timeoutMs, ca, ...options }: GuardOptions,
  lookup: LookupFunction,
  rejectUnauthorized: boolean,
): buildConnector.connector {
  const check = callbackify(addressCheck(options));
  const connect = buildConnector({
    lookup,
    timeout: timeoutMs,
    allowH2: false,
    rejectUnauthorized,
    ca,
  });
  return (target, callback) => {
    if (isIP(normalizeHost(target.hostname)) === 0) return connect(target, callback);
    check(target.hostname, (error) => {
      if (error) callback(error, null);
      else connect(target, callback);
    });
  };
}

/** Fetch wraps what went wrong at connecting; a refusal is shown as itself. */
function refusalWithin(error: unknown): TargetRefused | null {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (cause instanceof TargetRefused) return cause;
  return null;
}

async function within<T>(ms: number, host: string, work: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(Object.assign(new Error(`${host} could not be resolved in time`), { code: 'ETIMEOUT' }));
  }, ms);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

import { AuthenticationVerdict, type MessageAuthentication } from '../message.ts';
import type { MailHeaders } from './headers.ts';
import { decodeRawBytes } from './headers.ts';

export interface AuthenticationFinding {
  verdicts: MessageAuthentication;
  /** Found by a server that the channel trusts; else the sender may have written it himself. */
  trusted: boolean;
}

/**
 * The verdicts of Authentication-Results (RFC 8601), or null where no server gave any.
 *
 * With `trustedServers` (authserv-ids, which must strip forged copies) only theirs count. Without,
 * the topmost header is shown, untrusted: nothing may be allowed on its word.
 */
export function readAuthentication(
  headers: MailHeaders,
  trustedServers: readonly string[],
): AuthenticationFinding | null {
  const results = headers.rawAll('authentication-results').map(readResults);
  const trusted = results.find((result) => trustedServers.includes(result.server));
  const chosen = trusted ?? (trustedServers.length === 0 ? results[0] : undefined);
  if (!chosen || chosen.verdicts.size === 0) return null;
  return {
    verdicts: {
      spf: chosen.verdicts.get('spf') ?? 'none',
      dkim: chosen.verdicts.get('dkim') ?? 'none',
      dmarc: chosen.verdicts.get('dmarc') ?? 'none',
    },
    trusted: trusted !== undefined,
  };
}

/** Domains in whose name a trusted server found a passing signature, or DMARC passed. */
export function alignedDomains(
  headers: MailHeaders,
  trustedServers: readonly string[],
): ReadonlySet<string> {
  const results = headers.rawAll('authentication-results').map(readResults);
  const trusted = results.find((result) => trustedServers.includes(result.server));
  return new Set(trusted?.passed.map(({ domain }) => domain));
}

/**
 * Whether one of these headers says that DMARC passed for the domain.
 * @param servers authserv-ids whose word counts; null for any
 */
export function isPassedBy(
  raw: readonly string[],
  servers: readonly string[] | null,
  domain: string,
): boolean {
  return raw
    .map(readResults)
    .filter(({ server }) => servers === null || servers.includes(server))
    .slice(0, 1)
    .some(({ passed }) => passed.some((one) => one.method === 'dmarc' && one.domain === domain));
}

interface ReadResults {
  readonly server: string;
  readonly verdicts: Map<string, AuthenticationVerdict>;
  /** What passed, and for which domain. */
  readonly passed: { readonly method: string; readonly domain: string }[];
}

function readResults(raw: string): ReadResults {
  const text = withoutComments(decodeRawBytes(raw).slice(0, 20_000));
  const [first = '', ...rest] = text.split(';');
  // Exchange Online names no server, and begins with a result.
  const isNameless = /^\s*(spf|dkim|dmarc)\s*=/i.test(first);
  const server = isNameless ? '' : first;
  const results = isNameless ? [first, ...rest] : rest;
  const passed: { method: string; domain: string }[] = [];
  const verdicts = new Map<string, AuthenticationVerdict>();
  for (const result of results) {
    const found = /^\s*(spf|dkim|dmarc)\s*(?:\/\s*\d+\s*)?=\s*([a-z]+)/i.exec(result);
    const verdict = AuthenticationVerdict.safeParse(spelling(found?.[2]?.toLowerCase() ?? ''));
    if (!found || !verdict.success) continue;
    const method = found[1]!.toLowerCase();
    // One passing signature of several is enough (RFC 6376 §6.1).
    if (verdicts.get(method) !== 'pass') verdicts.set(method, verdict.data);
    const domain = domainNamed(method, result);
    if (verdict.data === 'pass' && domain !== null) passed.push({ method, domain });
  }
  return { server: server.trim().split(/\s/)[0]!.toLowerCase(), verdicts, passed };
}

/** RFC 8601 §2.7: `header.d` or the domain of `header.i` for a signature, `header.from` for DMARC. */
function domainNamed(method: string, result: string): string | null {
  const property = { dkim: 'header\\.[di]', dmarc: 'header\\.from' }[method];
  if (property === undefined) return null;
  const found = new RegExp(`\\b${property}\\s*=\\s*"?(?:[^\\s"@;]*@)?([^\\s";@]+)`, 'i').exec(
    result,
  );
  return found?.[1]?.toLowerCase() ?? null;
}

// Names that servers use beside those registered.
function spelling(word: string): string {
  if (word === 'hardfail') return 'fail';
  return word === 'bestguesspass' ? 'none' : word;
}

function withoutComments(text: string): string {
  let depth = 0;
  let kept = '';
  for (const char of text) {
    if (char === '(') depth++;
    else if (char === ')' && depth > 0) depth--;
    else if (depth === 0) kept += char;
  }
  return kept;
}

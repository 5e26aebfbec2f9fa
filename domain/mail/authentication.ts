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

function readResults(raw: string): {
  server: string;
  verdicts: Map<string, AuthenticationVerdict>;
} {
  const text = withoutComments(decodeRawBytes(raw).slice(0, 20_000));
  const [server = '', ...results] = text.split(';');
  const verdicts = new Map<string, AuthenticationVerdict>();
  for (const result of results) {
    const found = /^\s*(spf|dkim|dmarc)\s*(?:\/\s*\d+\s*)?=\s*([a-z]+)/i.exec(result);
    const verdict = AuthenticationVerdict.safeParse(spelling(found?.[2]?.toLowerCase() ?? ''));
    if (!found || !verdict.success) continue;
    const method = found[1]!.toLowerCase();
    // One passing signature of several is enough (RFC 6376 §6.1).
    if (verdicts.get(method) !== 'pass') verdicts.set(method, verdict.data);
  }
  return { server: server.trim().split(/\s/)[0]!.toLowerCase(), verdicts };
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

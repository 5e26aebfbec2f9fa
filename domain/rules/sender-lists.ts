import { domainOf, type RuleFacts } from './facts.ts';
import type { ChannelRules, SenderList } from './schema.ts';

/** How exactly a list names a sender; on equal terms the blocklist counts. */
const EVERYONE = 1;
const DOMAIN_OR_HEADER = 2;
const SENDER = 3;

interface Hit {
  readonly weight: number;
  /** The entry, as it is written. */
  readonly entry: string;
}

/**
 * Why the lists keep a mail out, or null where they let it in. Where the allowlist names anyone, only they are let in;
 * the blocklist keeps out whom the allowlist doesn't name more exactly. What mail systems report of our own mail is no
 * sender's: an allowlist doesn't keep it out.
 */
export function refusedByLists(
  { allowlist = {}, blocklist = {} }: Pick<ChannelRules, 'allowlist' | 'blocklist'>,
  facts: RuleFacts,
): { by: 'allowlist' | 'blocklist'; detail: string } | null {
  const allowed = bestHit(allowlist, facts);
  if (!allowed && !isEmpty(allowlist) && !facts.isReport)
    return { by: 'allowlist', detail: 'The allowlist names neither its sender nor its domain.' };
  const blocked = bestHit(blocklist, facts);
  if (!blocked || (allowed && allowed.weight > blocked.weight)) return null;
  return { by: 'blocklist', detail: `The blocklist names ${blocked.entry}.` };
}

function isEmpty({ senders = [], domains = [], headers = [] }: SenderList): boolean {
  return senders.length + domains.length + headers.length === 0;
}

function bestHit(
  { senders = [], domains = [], headers = [] }: SenderList,
  facts: RuleFacts,
): Hit | null {
  const address = facts.sender?.address.toLowerCase() ?? '';
  const sender = senders.find((entry) => entry.toLowerCase() === address);
  if (sender !== undefined) return { weight: SENDER, entry: `the sender ${sender}` };
  const domain = domainOf(address);
  const named = domains.filter((entry) => isOfDomain(domain, entry));
  const exact = named.find((entry) => entry !== '*');
  if (exact !== undefined) return { weight: DOMAIN_OR_HEADER, entry: `the domain ${exact}` };
  const header = headers.find((test) => passes(test, facts));
  if (header) return { weight: DOMAIN_OR_HEADER, entry: `the header ${header.name}` };
  return named.length > 0 ? { weight: EVERYONE, entry: 'everyone (*)' } : null;
}

/** Whether a domain is the one an entry names: `example.com` itself, `*.example.com` what is below it, `*` any. */
export function isOfDomain(domain: string, entry: string): boolean {
  const wanted = entry.toLowerCase().replace(/^@/, '');
  if (wanted === '*') return true;
  if (wanted.startsWith('*.')) return domain.endsWith(wanted.slice(1));
  return domain === wanted;
}

function passes(
  { name, is, contains }: NonNullable<SenderList['headers']>[number],
  facts: RuleFacts,
): boolean {
  const values = facts.headers(name).map((value) => value.toLowerCase());
  if (values.length === 0) return false;
  const listed = (texts: string | string[]) => [texts].flat().map((text) => text.toLowerCase());
  if (is !== undefined && !listed(is).some((text) => values.includes(text))) return false;
  return (
    contains === undefined ||
    listed(contains).some((text) => values.some((value) => value.includes(text)))
  );
}

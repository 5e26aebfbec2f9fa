import type { MailAddress } from '../message.ts';
import { parseAddresses } from './addresses.ts';
import { alignedDomains, isPassedBy } from './authentication.ts';
import { MailHeaders } from './headers.ts';
import { isForwarded } from './subject.ts';

/** How far into a text the forwarded mail's headers are looked for. */
const LINES = 400;
/** `From` as clients write it above a forwarded mail, in the ten most common languages and some more. */
const FROM_WORDS =
  'from|von|absender|de|da|van|från|fra|od|nadawca|odesílatel|от|от кого|отправитель|від|kimden|gönderen|lähettäjä|remitente|remetente|expéditeur|mittente|afzender|avsändare|发件人|寄件人|寄件者|發件人|差出人|送信者|送信元|보낸 사람|보낸사람|발신|feladó|expeditor|από|من|מאת|प्रेषक';
const fromLine = new RegExp(String.raw`^[\s>*]*(?:${FROM_WORDS})[\s*]*[:：]\s*(.+)$`, 'iu');
/** A line of such a header block, in whatever language. */
const headerLine = /^[\s>*]*\p{L}[\p{L}\p{M} ]{0,24}[\s*]*[:：](?:\s|\*)*\S/u;

/**
 * Whom a forwarded mail is from: the mail attached to it, or else the first header block in its text. Null where the
 * subject calls it no forward, or that block tells no address: those further down are of others in the thread.
 * @param attached the bytes of the mails attached to it
 */
export function forwardedFrom(
  { subject, content }: { readonly subject: string | null; readonly content: string },
  attached: readonly Buffer[],
): MailAddress | null {
  if (!isForwarded(subject)) return null;
  for (const mail of attached) {
    const author = MailHeaders.read(mail).rawAll('from').flatMap(parseAddresses).find(isWhole);
    if (author) return author;
  }
  return fromHeaderBlock(content.split(/\r?\n/, LINES));
}

/** A `From:` line counts only among other header lines: what a customer writes may begin with such a word. */
function fromHeaderBlock(lines: readonly string[]): MailAddress | null {
  for (const [place, line] of lines.entries()) {
    const said = fromLine.exec(line)?.[1];
    if (said === undefined) continue;
    const around = [
      ...lines.slice(Math.max(0, place - 4), place),
      ...lines.slice(place + 1, place + 5),
    ];
    if (around.filter((other) => headerLine.test(other)).length < 2) continue;
    return parseAddresses(withoutMarks(said)).find(isWhole) ?? null;
  }
  return null;
}

/** Bold as asterisks, and addresses shown as links: `<ada@x.example<mailto:ada@x.example>>`, `Ada [mailto:ada@…]`. */
function withoutMarks(said: string): string {
  const text = said.slice(0, 500).replaceAll('*', '');
  const bare = text.replace(/<mailto:[^<>\s]*>/gi, '');
  const written = bare.includes('@') ? bare : text;
  return written.replace(/\[(?:mailto:)?([^\]\s@]+@[^\]\s]+)\]/i, '<$1>');
}

export interface ListedAuthor {
  readonly author: MailAddress;
  /** The list's word alone: it counts only for a list that is an address of ours. */
  readonly byListAlone: boolean;
}

/**
 * Whom a mail is from whose From a list has rewritten for DMARC ("Ada via List <list@…>"), on a trusted server's word
 * (RFC 8601): either a signature of the author's own domain still passes, or the list's domain passes DMARC and the
 * list says that the author's passed there. X-Original-Sender by itself is what anybody can write.
 * @param trustedServers authserv-ids that strip forged copies of their header
 */
export function listedAuthor(
  headers: MailHeaders,
  sender: MailAddress | null,
  trustedServers: readonly string[],
): ListedAuthor | null {
  const named = ['x-original-from', 'x-original-sender'].flatMap((name) =>
    headers.rawAll(name).flatMap(parseAddresses),
  );
  const author = named.find(isWhole);
  if (!author || !sender) return null;
  const [own, lists] = [domainOf(author.address), domainOf(sender.address)];
  if (own === lists || named.some((one) => domainOf(one.address) !== own)) return null;
  const found = { name: author.name || nameIn(sender), address: author.address };
  if (alignedDomains(headers, trustedServers).has(own))
    return { author: found, byListAlone: false };
  const listPassed = isPassedBy(headers.rawAll('authentication-results'), trustedServers, lists);
  const authorPassed = isPassedBy(headers.rawAll('x-original-authentication-results'), null, own);
  return listPassed && authorPassed ? { author: found, byListAlone: true } : null;
}

/** "'Ada Lovelace' via Support" → "Ada Lovelace" */
function nameIn({ name }: MailAddress): string {
  return /^['"]?(.+?)['"]?\s+via\s/i.exec(name)?.[1] ?? '';
}

function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1).toLowerCase();
}

function isWhole({ address }: MailAddress): boolean {
  return /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(address);
}

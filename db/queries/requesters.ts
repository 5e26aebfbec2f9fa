import { forwardedFrom } from '../../domain/mail/original-author.ts';
import type { MailAddress } from '../../domain/message.ts';
import type { Tx } from '../connection.ts';
import type { Item } from './ingest-item.ts';
import type { ThreadIndex } from './thread-index.ts';

const MAIL_TYPE = /^message\/(rfc822|global)$/;

/**
 * Who asks, where that is not the sender: whom a rule names, else the author of a mail that an agent forwards, else the
 * author that a list's rewritten From hides. Answers go there, too.
 */
export async function withRequesters(
  tx: Tx,
  items: readonly Item[],
  index: ThreadIndex,
): Promise<Item[]> {
  const forwarded = new Map<Item, MailAddress>();
  for (const item of items) {
    const author =
      item.chat || isForged(item) ? null : forwardedFrom(item.mail.message, attachedMails(item));
    if (author && !index.isOurs(author.address)) forwarded.set(item, author);
  }
  const agents = forwarded.size > 0 ? await agentAddresses(tx) : new Set<string>();
  return items.map((item) => {
    const sender = item.mail.message.sender?.address.toLowerCase() ?? '';
    const author = forwarded.get(item);
    const byAgent = author && agents.has(sender) && !agents.has(author.address.toLowerCase());
    const requester =
      item.verdict.requester ?? (byAgent ? author : null) ?? listedAuthor(item, index);
    return requester && !index.isOurs(requester.address)
      ? { ...item, verdict: { ...item.verdict, requester } }
      : item;
  });
}

/** A list's word alone counts where the list is an address of ours. */
function listedAuthor({ mail }: Item, index: ThreadIndex): MailAddress | null {
  const { listedAuthor: listed, message } = mail;
  if (!listed) return null;
  return listed.byListAlone && !index.isOurs(message.sender?.address ?? '') ? null : listed.author;
}

/** Where its authentication failed, a mail is not known to be an agent's, whatever its From says. */
function isForged({ mail }: Item): boolean {
  const { spf, dkim, dmarc } = mail.message.authentication ?? {};
  if (dmarc === 'pass' || dmarc === 'fail') return dmarc === 'fail';
  return spf !== 'pass' && dkim !== 'pass' && [spf, dkim].includes('fail');
}

/** Large ones lie in the database already; their authors are told in the text, mostly. */
function attachedMails({ mail, attachments }: Item): Buffer[] {
  return mail.attachments.flatMap(({ contentType }, place) => {
    const content = attachments[place];
    return MAIL_TYPE.test(contentType) && Buffer.isBuffer(content) ? [content] : [];
  });
}

async function agentAddresses(tx: Tx): Promise<Set<string>> {
  const rows = await tx
    .selectFrom('agents')
    .select('addresses')
    .where('is_active', '=', true)
    .execute();
  return new Set(rows.flatMap((row) => row.addresses.map((address) => address.toLowerCase())));
}

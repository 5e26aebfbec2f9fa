import type { Readable } from 'node:stream';
import type Mail from 'nodemailer/lib/mailer/index.js';
import type { MailAddress } from '../message.ts';
import { isDeliverable, sameAddress } from './addresses.ts';
import { ownHeader } from './classify.ts';
import { safeFilename } from './filenames.ts';
import { htmlToPlainText } from './html.ts';
import { replySubject } from './subject.ts';
import { ticketToken } from './thread-tokens.ts';

export interface OutgoingAttachment {
  filename: string;
  contentType: string;
  content: Buffer | Readable;
  /** Set where the HTML shows it in place by `cid:`. */
  contentId?: string | null;
}

export interface ReplyDraft {
  ticket: { number: number; subject: string | null };
  /** The channel that answers; `from` of the mail. */
  channelAddress: MailAddress;
  /** Where answers come back to, such as the ticket's plus address; the channel if missing. */
  replyTo?: string | null;
  to: readonly MailAddress[];
  cc?: readonly MailAddress[];
  /** Our minted Message-ID, without brackets. */
  messageId: string;
  /** Message id of the mail that is answered, without brackets. */
  inReplyTo: string | null;
  /** References of that mail, oldest first, without brackets. */
  references: readonly string[];
  text?: string | null;
  html?: string | null;
  attachments?: readonly OutgoingAttachment[];
  /** Written by no person: marked so that no machine answers it. */
  automatic?: boolean;
  /** Adds the ticket's token `[#123]` to the subject. */
  tokenInSubject?: boolean;
  /** Name of this installation, in our own header. */
  origin: string;
  /** Time of the Date header. */
  date: Date;
}

// Header lines of 998 characters hold some ten ids folded; longer chains lose their middle.
const referenceLimit = 30;

/**
 * The options by which nodemailer sends an answer: threaded (RFC 5322 §3.6.4), marked as ours and,
 * where automatic, as automatic (RFC 3834). Pure: the same draft gives the same mail. Throws where
 * no recipient can be written to.
 */
export function composeReply(draft: ReplyDraft): Mail.Options {
  const to = recipients(draft.to, []);
  if (to.length === 0) {
    throw new Error('The reply has no recipient that mail can be sent to; give it one in "to".');
  }
  const chain = threadingChain(draft);
  return {
    from: plainAddress(draft.channelAddress),
    ...(draft.replyTo ? { replyTo: plainLine(draft.replyTo) } : {}),
    to,
    cc: recipients(draft.cc ?? [], [...to, draft.channelAddress]),
    subject: subjectLine(draft),
    messageId: `<${bareMessageId(draft.messageId)}>`,
    ...(draft.inReplyTo && chain.length > 0 ? { inReplyTo: chain.at(-1)! } : {}),
    ...(chain.length > 0 ? { references: chain } : {}),
    date: draft.date,
    text: draft.text ?? htmlToPlainText(draft.html ?? ''),
    ...(draft.html ? { html: draft.html } : {}),
    attachments: (draft.attachments ?? []).map(asMailAttachment),
    headers: {
      [ownHeader]: plainLine(draft.origin),
      ...(draft.automatic
        ? { 'Auto-Submitted': 'auto-replied', 'X-Auto-Response-Suppress': 'All' }
        : {}),
    },
    xMailer: false,
    // Content comes as bytes alone: no text of an agent may name a file or address to fetch.
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

/** One line: control characters would end a header and begin another. */
function plainLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ').trim();
}

function plainAddress({ name, address }: MailAddress): MailAddress {
  return { name: plainLine(name), address: plainLine(address).replace(/\s+/g, '') };
}

function recipients(wanted: readonly MailAddress[], taken: readonly MailAddress[]): MailAddress[] {
  const chosen: MailAddress[] = [];
  for (const entry of wanted) {
    // An address that needs cleaning was not one; it must not become another by it.
    if (!isDeliverable(entry.address) || /\p{Cc}/u.test(entry.address)) continue;
    const isTaken = [...taken, ...chosen].some((other) =>
      sameAddress(other.address, entry.address),
    );
    if (!isTaken) chosen.push(plainAddress(entry));
  }
  return chosen;
}

function subjectLine({ ticket, tokenInSubject }: ReplyDraft): string {
  const subject = replySubject(ticket.subject === null ? null : plainLine(ticket.subject));
  const token = ticketToken(ticket.number);
  return tokenInSubject && !subject.includes(token) ? `${subject} ${token}` : subject;
}

/** Ids of the thread, oldest first, ending in the one that is answered. */
function threadingChain({ references, inReplyTo }: ReplyDraft): string[] {
  const ids = [...references.filter((id) => id !== inReplyTo), ...(inReplyTo ? [inReplyTo] : [])];
  const usable = [...new Set(ids.map(bareMessageId))].filter((id) => id !== '');
  const kept =
    usable.length <= referenceLimit
      ? usable
      : [...usable.slice(0, 1), ...usable.slice(1 - referenceLimit)];
  return kept.map((id) => `<${id}>`);
}

/** The id where it can stand between brackets, else ''. */
function bareMessageId(id: string): string {
  const bare = id.trim().replace(/^<|>$/g, '');
  return /^[^\s<>\p{Cc}]{1,500}$/u.test(bare) ? bare : '';
}

function asMailAttachment(attachment: OutgoingAttachment): Mail.Attachment {
  return {
    filename: safeFilename(attachment.filename) || 'attachment',
    contentType: /^[\w.+-]+\/[\w.+-]+$/.test(attachment.contentType)
      ? attachment.contentType
      : 'application/octet-stream',
    content: attachment.content,
    ...(attachment.contentId ? { cid: plainLine(attachment.contentId) } : {}),
  };
}

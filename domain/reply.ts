import { isDeliverable, replyAddresses, sameAddress } from './mail/addresses.ts';
import { htmlToPlainText, sanitizeMailHtml } from './mail/html.ts';
import { replySubject } from './mail/subject.ts';
import type { MailAddress, Message, MessageChannel } from './message.ts';

/** What the answered message tells of where its answer goes. */
export type Answered = Pick<
  Message,
  'direction' | 'sender' | 'reply_to' | 'to' | 'message_id' | 'references'
>;

/**
 * Who gets an answer: whoever wrote the answered message (its Reply-To), or, where that was one of ours, its
 * recipients; where nobody is left, the ticket's requester. Own addresses never.
 */
export function replyRecipients(
  answered: Answered | null,
  requester: MailAddress | null,
  ownAddresses: readonly string[],
): MailAddress[] {
  const isForeign = ({ address }: MailAddress) =>
    !ownAddresses.some((own) => sameAddress(own, address));
  const wanted =
    answered === null
      ? []
      : answered.direction === 'outbound'
        ? answered.to.filter((entry) => isForeign(entry) && isDeliverable(entry.address))
        : replyAddresses(answered, ownAddresses);
  if (wanted.length > 0) return wanted;
  return requester && isForeign(requester) ? [requester] : [];
}

export interface WrittenMessage {
  readonly provider: string;
  readonly direction: 'outbound' | 'internal';
  readonly kind: 'message' | 'notification' | 'auto_reply' | 'note';
  readonly status: 'queued' | 'received';
  /** Who it is from: the channel for what goes out, null for a note. */
  readonly sender: MailAddress | null;
  readonly to: readonly MailAddress[];
  readonly cc: readonly MailAddress[];
  readonly subject: string | null;
  readonly text: string | null;
  readonly html: string | null;
  readonly messageId: string | null;
  readonly answered: Answered | null;
  /** `metadata.platform_specific`; default what mail has there. */
  readonly specific?: object;
  readonly now: Date;
}

/** A message written here in the normalized form, as it is stored and shown; its attachments stand apart. */
export function writtenMessage(written: WrittenMessage) {
  const { answered, now } = written;
  const html = written.html === null ? null : storable(sanitizeMailHtml(written.html));
  const text = storable(written.text ?? htmlToPlainText(html ?? ''));
  const cc = [...written.cc];
  return {
    channel: written.provider as MessageChannel, // a stored channel's provider
    direction: written.direction,
    kind: written.kind,
    status: written.status,
    priority: 'normal' as const,
    from: written.sender?.address ?? null,
    sender: written.sender,
    reply_to: [],
    to: [...written.to],
    cc,
    bcc: [],
    subject: written.subject,
    content: text,
    new_content: text,
    quoted_content: null,
    html,
    timestamp: now.toISOString(),
    received_at: now.toISOString(),
    message_id: written.messageId,
    in_reply_to: answered?.message_id ? [answered.message_id] : [],
    references: chainOf(answered),
    metadata: {
      service_specific_data: {},
      platform_specific: written.specific ?? { subject: written.subject, cc, bcc: [] },
    },
  };
}

/** Postgres' jsonb takes no NUL and no half of a surrogate pair. */
function storable(text: string): string {
  return text.replaceAll('\0', '').toWellFormed();
}

/** The subject of an answer on a ticket. */
export function answerSubject(ticketSubject: string): string {
  return replySubject(ticketSubject);
}

function chainOf(answered: Answered | null): string[] {
  if (!answered) return [];
  const chain = [...answered.references, ...(answered.message_id ? [answered.message_id] : [])];
  return [...new Set(chain)];
}

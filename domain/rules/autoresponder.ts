import { isDeliverable } from '../mail/addresses.ts';
import { isListMail } from '../mail/classify.ts';
import type { ParsedMail } from '../mail/parse.ts';
import { isFresh } from '../loop-guard.ts';
import type { MailAddress } from '../message.ts';
import type { Verdict } from './evaluate.ts';
import type { Autoresponder } from './schema.ts';
import { fillTemplate, type TemplateValues } from './template.ts';

/** Mailboxes of machines and lists, which nobody reads (RFC 3834 §2, RFC 2142). */
const UNREAD =
  /^(no-?reply|do-?not-?reply|mailer-daemon|postmaster|bounces?|owner-[^@]*|[^@]*-(request|bounces?|owner)|listserv|majordomo)([+-][^@]*)?@/i;

export interface AutoreplyFacts {
  readonly mail: Pick<ParsedMail, 'message' | 'automatic' | 'headers'>;
  readonly verdict: Pick<Verdict, 'spam' | 'requester'>;
  readonly isOurs: (address: string) => boolean;
  readonly now: Date;
  /** Its sender has a number or a page-scoped id. */
  readonly isChat: boolean;
}

/** Whom an automatic answer would go to: whoever asks by a rule, else the sender. */
export function autoreplyRecipient({
  mail,
  verdict,
}: Pick<AutoreplyFacts, 'mail' | 'verdict'>): MailAddress | null {
  return verdict.requester ?? mail.message.sender;
}

/**
 * Why a message that begins a ticket gets no automatic answer, in plain words, or null where it may (RFC 3834 §2): never
 * to machines, lists, reports, spam, ourselves, or mail of long ago. How often one sender is answered is counted by the
 * caller.
 */
export function whyNoAutoreply({
  mail,
  verdict,
  isOurs,
  now,
  isChat,
}: AutoreplyFacts): string | null {
  const { message, automatic, headers } = mail;
  const recipient = autoreplyRecipient({ mail, verdict });
  if (message.direction !== 'inbound') return 'It was sent by ourselves.';
  if (automatic.automatic && isChat)
    return `It is ${automatic.reason ?? 'nothing that is to be answered'}.`;
  if (automatic.automatic)
    return `It was sent by a machine (${automatic.reason ?? 'by its headers'}).`;
  if (message.kind !== 'message') return `It is no person’s message, but: ${message.kind}.`;
  if (isListMail(headers)) return 'It came by a mailing list.';
  if (verdict.spam) return 'A rule marks it as spam.';
  if (!recipient || !(isChat || isDeliverable(recipient.address)))
    return 'It has no sender that mail can be sent to.';
  if (UNREAD.test(recipient.address)) return `Nobody reads mail to ${recipient.address}.`;
  if (isOurs(recipient.address)) return 'It came from an address of our own.';
  if (!isFresh(message.timestamp, now)) return 'It was written more than a day ago.';
  return null;
}

/** The words of an automatic answer; `subject` null where the mail's own is to be answered. */
export function autoreplyTexts(
  { subject, text, html }: Autoresponder,
  values: TemplateValues,
): { subject: string | null; text: string | null; html: string | null } {
  return {
    subject: subject === undefined ? null : fillTemplate(subject, values, 'text'),
    text: text === undefined ? null : fillTemplate(text, values, 'text'),
    html: html === undefined ? null : fillTemplate(html, values, 'html'),
  };
}

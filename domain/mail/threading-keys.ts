import type { NormalizedMessage } from '../message.ts';
import { normalizeAddress, parseAddresses } from './addresses.ts';
import type { MailHeaders } from './headers.ts';
import { subjectKey } from './subject.ts';
import { readTicketTokens } from './thread-tokens.ts';

/** What threading goes by; message ids have their domain in lower case here. */
export interface ThreadingKeys {
  messageId: string | null;
  /** Newest first. */
  references: string[];
  inReplyTo: string[];
  /** Addresses that it was delivered to, plus tags kept: To, Cc, Delivered-To, envelope … */
  deliveredTo: string[];
  subjectKey: string;
  /** Ticket numbers that the subject names as `[#123]`. */
  subjectTokens: number[];
  /** Ticket numbers that the body names, quoted text included. */
  bodyTokens: number[];
}

const deliveryHeaders = [
  'to',
  'cc',
  'bcc',
  'delivered-to',
  'x-original-to',
  'envelope-to',
  'x-envelope-to',
  'x-forwarded-to',
  'resent-to',
];

/** Threading keys of a mail that was read. `envelopeTo` are the recipients of its SMTP envelope. */
export function readThreading(
  message: NormalizedMessage,
  headers: MailHeaders,
  envelopeTo: readonly string[],
): ThreadingKeys {
  const named = deliveryHeaders.flatMap((name) => headers.rawAll(name).flatMap(parseAddresses));
  const delivered = [...named.map((entry) => entry.address), ...envelopeTo.map(normalizeAddress)];
  // A bounce belongs to the thread of the mail that it returns.
  const returned = message.bounce?.original_message_id ? [message.bounce.original_message_id] : [];
  return {
    messageId: message.message_id === null ? null : comparableMessageId(message.message_id),
    references: [...returned, ...message.references.toReversed()].map(comparableMessageId),
    inReplyTo: message.in_reply_to.map(comparableMessageId),
    deliveredTo: [...new Set(delivered.filter((address) => address.includes('@')))],
    subjectKey: subjectKey(message.subject),
    subjectTokens: readTicketTokens(message.subject ?? ''),
    bodyTokens: readTicketTokens(message.content),
  };
}

/** A message id in the form that ids are compared in: its domain in lower case. */
export function comparableMessageId(id: string): string {
  const at = id.lastIndexOf('@');
  return at < 0 ? id : id.slice(0, at) + id.slice(at).toLowerCase();
}

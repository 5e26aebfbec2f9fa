import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type {
  MailAddress,
  MessageChannel,
  MessagePriority,
  NormalizedMessage,
} from '../message.ts';
import { parseAddresses } from './addresses.ts';
import { readAuthentication } from './authentication.ts';
import { classifyMail, readLoopHeaders, readPriority, type LoopHeaders } from './classify.ts';
import { nameAttachment, uniqueNames } from './filenames.ts';
import { MailHeaders, parseMailDate, parseMessageIds } from './headers.ts';
import { boundNesting, htmlToPlainText, referencedContentIds, sanitizeMailHtml } from './html.ts';
import { calendarSummary, securityLabels } from './labels.ts';
import {
  discardAttachment,
  readMime,
  type AttachmentSink,
  type MailPart,
  type MimeContent,
} from './mime.ts';
import { splitQuoted } from './quote.ts';
import { storable } from './storable.ts';
import { listedAuthor, type ListedAuthor } from './original-author.ts';
import { isForwarded } from './subject.ts';
import { readThreading, type ThreadingKeys } from './threading-keys.ts';

export type { AttachmentMeta, AttachmentSink } from './mime.ts';
export { comparableMessageId, type ThreadingKeys } from './threading-keys.ts';

export interface MailContext {
  receivedAt: Date;
  /** Channel that it came by; `mime` where none is known. */
  channel?: MessageChannel;
  /** SMTP envelope: `from` is '' for the null sender, null where it isn't known. */
  envelope?: { from: string | null; to: string[] };
  /** authserv-ids whose Authentication-Results the channel trusts. */
  trustedServers?: readonly string[];
  /** Takes the attachments' bytes; without it they are hashed and passed over. */
  onAttachment?: AttachmentSink;
  /** Of a mail too large to be fetched only the headers came; its size in bytes, null where unknown. */
  oversize?: { size: number | null } | null;
  /** What the channel's door says of its urgency, whatever the mail's own headers say. */
  priority?: MessagePriority;
  /** Keeps the attachments' bytes in memory, in `content`. */
  keepContent?: boolean;
}

export interface ParsedAttachment {
  /** Position in which `onAttachment` met it; the list has the same order. */
  index: number;
  filename: string;
  contentType: string;
  size: number;
  sha256: string;
  inline: boolean;
  contentId: string | null;
  content: Buffer | null;
}

export interface ParsedMail {
  message: NormalizedMessage;
  attachments: ParsedAttachment[];
  threading: ThreadingKeys;
  /** `reason` says by what sign; automatic mail gets no automatic answer. */
  automatic: { automatic: boolean; autoReply: boolean; reason: string | null };
  /** Whether a server that the channel trusts gave the authentication verdicts. */
  authenticationTrusted: boolean;
  /** Whom a mail is from whose From a list has rewritten; on a trusted server's word. */
  listedAuthor: ListedAuthor | null;
  /** Hex SHA-256 of what was said, by whom and when: it stands in for a missing Message-ID. */
  contentHash: string;
  loopHeaders: LoopHeaders;
  /** As in the source, raw. */
  headers: MailHeaders;
  /** What could not be read or was cut, in plain words. */
  notes: string[];
}

/** Raised with every change of what the parser makes of a mail: `npm run reparse` reads older ones again. */
export const PARSER_VERSION = 4;

const referenceLimit = 200;
const htmlLimit = 512 * 1024;

/**
 * Parses a raw mail (RFC 5322, MIME) into the normalized message and what ingestion needs.
 *
 * Whatever is broken in the mail is noted and a message made all the same; it rejects only on
 * errors of the source stream or of `onAttachment`.
 */
export async function parseMail(
  source: Readable | Buffer,
  context: MailContext,
): Promise<ParsedMail> {
  const contents = new Map<number, Buffer>();
  const sink = context.keepContent
    ? keepInto(contents)
    : (context.onAttachment ?? discardAttachment);
  const mime = await readMime(Buffer.isBuffer(source) ? Readable.from([source]) : source, sink);
  if (context.oversize) mime.notes.push(oversizeNote(context.oversize.size));
  const bounded = boundHtml(mime);
  const html = readHtml(bounded, mime.notes);
  const text = readText(mime, bounded);
  const attachments = describeAttachments(mime, html, contents);
  return assemble(mime, { text, html, attachments, context });
}

function oversizeNote(size: number | null): string {
  const megabytes = size === null ? '' : ` (${Math.ceil(size / 1_000_000)} MB)`;
  return `The mail was too large${megabytes}: only its headers were fetched; all of it is in the mailbox.`;
}

function keepInto(contents: Map<number, Buffer>): AttachmentSink {
  return async (meta, content) => {
    const chunks: Buffer[] = [];
    for await (const chunk of content as AsyncIterable<Buffer>) chunks.push(chunk);
    contents.set(meta.index, Buffer.concat(chunks));
  };
}

/** The HTML that readers get: cut where it is too long or nests too deep for bounded time. */
function boundHtml(mime: MimeContent): string {
  const bounded = boundNesting(mime.html.slice(0, htmlLimit));
  if (bounded.length < mime.html.length) {
    mime.notes.push(
      'HTML longer than 512 KiB or nested deeper than 500 was cut; the source holds all of it.',
    );
  }
  return bounded;
}

function readHtml(html: string, notes: string[]): string | null {
  if (html.trim() === '') return null;
  try {
    return sanitizeMailHtml(html);
  } catch (error) {
    notes.push(`The HTML could not be made safe to show: ${String(error)}.`);
    return null;
  }
}

function readText(mime: MimeContent, html: string): string {
  const text = mime.text.replace(/\r\n?/g, '\n').replaceAll('\0', '');
  if (text.trim() !== '' || html === '') return text.trimEnd();
  try {
    return htmlToPlainText(html);
  } catch (error) {
    mime.notes.push(`No text could be taken from the HTML: ${String(error)}.`);
    return '';
  }
}

function describeAttachments(
  mime: MimeContent,
  html: string | null,
  contents: ReadonlyMap<number, Buffer>,
): ParsedAttachment[] {
  const shown = referencedContentIds(html ?? '');
  const unique = uniqueNames();
  return mime.parts.map((part) => ({
    index: part.index,
    filename: unique(
      nameAttachment({ ...part, nestedSubject: nestedSubject(part) }, part.index + 1),
    ),
    contentType: part.contentType,
    size: part.size,
    sha256: part.sha256,
    inline: part.contentId !== null && shown.has(part.contentId),
    contentId: part.contentId,
    content: contents.get(part.index) ?? null,
  }));
}

function nestedSubject(part: MailPart): string | null {
  if (!part.start || !/^message\/(rfc822|global)$/.test(part.contentType)) return null;
  return MailHeaders.read(part.start).text('subject');
}

interface ReadBody {
  text: string;
  html: string | null;
  attachments: ParsedAttachment[];
  context: MailContext;
}

function assemble(mime: MimeContent, body: ReadBody): ParsedMail {
  const { headers, notes } = mime;
  const { context, text } = body;
  const subject = headers.text('subject')?.slice(0, 4000) ?? null;
  const sender = readSender(headers);
  const envelopeFrom = context.envelope?.from ?? null;
  const classified = classifyMail({
    headers,
    subject,
    text,
    envelopeFrom,
    from: sender?.address ?? null,
    parts: mime.parts,
  });
  const writtenAt = readDate(headers);
  const authentication = readAuthentication(headers, context.trustedServers ?? []);
  const message: NormalizedMessage = {
    channel: context.channel ?? 'mime',
    direction: 'inbound',
    kind: classified.kind,
    status: 'received',
    priority: context.priority ?? readPriority(headers),
    from: sender?.address ?? null,
    sender,
    ...readRecipients(headers),
    subject,
    content: text,
    ...splitQuoted(text, classified.bounce !== null || isForwarded(subject)),
    html: body.html,
    timestamp: (writtenAt ?? context.receivedAt).toISOString(),
    received_at: context.receivedAt.toISOString(),
    message_id: parseMessageIds(headers.raw('message-id'))[0] ?? null,
    in_reply_to: parseMessageIds(headers.raw('in-reply-to')).slice(0, referenceLimit),
    references: parseMessageIds(headers.raw('references')).slice(-referenceLimit),
    attachments: body.attachments.map(asNormalizedAttachment),
    ...(authentication ? { authentication: authentication.verdicts } : {}),
    ...(classified.bounce ? { bounce: classified.bounce } : {}),
    metadata: {
      service_specific_data: {},
      platform_specific: {
        ...platformSpecific(mime, text),
        ...(context.oversize ? { oversize: context.oversize } : {}),
      },
    },
  };
  const parsed = storable({
    message,
    attachments: body.attachments,
    threading: readThreading(message, headers, context.envelope?.to ?? []),
    automatic: {
      automatic: classified.automatic !== null,
      autoReply: classified.kind === 'auto_reply',
      reason: classified.automatic,
    },
    authenticationTrusted: authentication?.trusted ?? false,
    listedAuthor: listedAuthor(headers, sender, context.trustedServers ?? []),
    contentHash: hashContent(message, writtenAt),
    loopHeaders: readLoopHeaders(headers),
    notes,
  });
  return { ...parsed, headers };
}

function readSender(headers: MailHeaders): MailAddress | null {
  for (const name of ['from', 'sender', 'return-path']) {
    const found = headers.rawAll(name).flatMap((raw) => parseAddresses(raw));
    const usable = found.find((entry) => entry.address.includes('@')) ?? found[0];
    if (usable) return usable;
  }
  return null;
}

function readRecipients(
  headers: MailHeaders,
): Pick<NormalizedMessage, 'reply_to' | 'to' | 'cc' | 'bcc'> {
  const all = (name: string): MailAddress[] =>
    headers.rawAll(name).flatMap((raw) => parseAddresses(raw));
  return { reply_to: all('reply-to'), to: all('to'), cc: all('cc'), bcc: all('bcc') };
}

// A date that no clock could have shown would put the message out of its thread.
function readDate(headers: MailHeaders): Date | null {
  const date = parseMailDate(headers.raw('date'));
  const year = date?.getUTCFullYear() ?? 0;
  return year >= 1900 && year < 2200 ? date : null;
}

function asNormalizedAttachment(
  attachment: ParsedAttachment,
): NormalizedMessage['attachments'][number] {
  return {
    filename: attachment.filename,
    content_type: attachment.contentType,
    size: attachment.size,
    sha256: attachment.sha256,
    inline: attachment.inline,
    content_id: attachment.contentId,
  };
}

function platformSpecific(mime: MimeContent, text: string): Record<string, unknown> {
  const { headers, notes, parts } = mime;
  const security = securityLabels(headers, parts, text);
  const calendar = calendarSummary(parts);
  const listed = (name: string): string[] =>
    headers.rawAll(name).flatMap((raw) => parseAddresses(raw).map((entry) => entry.address));
  return {
    subject: headers.text('subject'),
    cc: listed('cc'),
    bcc: listed('bcc'),
    ...(security.length > 0 ? { security } : {}),
    ...(calendar ? { calendar } : {}),
    ...(notes.length > 0 ? { notes } : {}),
  };
}

// Only what every copy of a mail has alike: transport headers differ from copy to copy.
function hashContent(message: NormalizedMessage, writtenAt: Date | null): string {
  const said = [
    message.from,
    message.to.map((entry) => entry.address),
    message.cc.map((entry) => entry.address),
    writtenAt?.toISOString() ?? null,
    message.subject,
    message.content,
    message.html,
    message.attachments.map((attachment) => attachment.sha256),
  ];
  return createHash('sha256').update(JSON.stringify(said)).digest('hex');
}

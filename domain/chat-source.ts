import { createHash } from 'node:crypto';
import type { ChatMessage, MediaReference } from './chat.ts';
import { MailHeaders } from './mail/headers.ts';
import type { ParsedAttachment, ParsedMail } from './mail/parse.ts';
import { storable } from './mail/storable.ts';
import type { NormalizedMessage } from './message.ts';
import { optOf } from './opt-out.ts';

const SUBJECT_CHARACTERS = 100;

/** A file that its message names and that is not here. */
export interface MissingFile {
  /** Its place among the message's files, from 0. */
  readonly position: number;
  readonly filename: string | null;
  readonly content_type: string | null;
  /** In plain words. */
  readonly reason: string;
  /** It will not be fetched any more. */
  readonly given_up: boolean;
}

/** As it is shown on its message. */
export function missingFile({
  position,
  reference,
  error,
  nextAt,
}: {
  readonly position: number;
  readonly reference: Pick<MediaReference, 'filename' | 'contentType'>;
  readonly error: { readonly detail: string };
  readonly nextAt: Date | null;
}): MissingFile {
  return {
    position,
    filename: reference.filename,
    content_type: reference.contentType,
    reason: error.detail,
    given_up: nextAt === null,
  };
}

export interface ChatFiles {
  readonly stored: readonly ParsedAttachment[];
  readonly missing: readonly MissingFile[];
  /** What is odd about them, in plain words. */
  readonly notes: readonly string[];
}

export const NO_FILES: ChatFiles = { stored: [], missing: [], notes: [] };

/**
 * A chat's message in the form that ingestion takes from every channel. It has no mail headers and threads by its
 * vendor's ids alone; `vendorId` is its own.
 */
export function chatAsParsed(
  chat: ChatMessage,
  vendorId: string | null,
  files: ChatFiles,
): ParsedMail {
  const { message } = chat;
  const asksNobody = whyNobodyIsAsked(chat);
  const parsed = storable({
    message: {
      ...message,
      message_id: vendorId,
      in_reply_to: [...chat.answers],
      attachments: files.stored.map((file) => ({
        filename: file.filename,
        content_type: file.contentType,
        size: file.size,
        sha256: file.sha256,
        inline: file.inline,
        content_id: file.contentId,
      })),
      metadata: {
        ...message.metadata,
        platform_specific: {
          ...message.metadata.platform_specific,
          ...(chat.notes.length > 0 ? { notes: [...chat.notes] } : {}),
          ...(files.notes.length > 0 ? { file_notes: [...files.notes] } : {}),
          ...(files.missing.length > 0 ? { missing_files: [...files.missing] } : {}),
        },
      },
    },
    threading: {
      messageId: vendorId,
      references: [],
      inReplyTo: [],
      deliveredTo: [],
      subjectKey: '',
      subjectTokens: [],
      bodyTokens: [],
    },
  });
  return {
    ...parsed,
    attachments: [...files.stored],
    automatic: { automatic: asksNobody !== null, autoReply: false, reason: asksNobody },
    authenticationTrusted: false,
    listedAuthor: null,
    contentHash: hashOf(chat, vendorId),
    loopHeaders: { origins: [], receivedCount: 0, deliveredTo: [] },
    headers: new MailHeaders([]),
    notes: [...chat.notes],
  };
}

/**
 * A stored chat's message read again: its files, and the name that its vendor told of the person, stay as they were
 * stored.
 */
export function chatReadAgain(
  chat: ChatMessage,
  vendorId: string | null,
  before: NormalizedMessage,
): NormalizedMessage {
  const { message } = chatAsParsed(chat, vendorId, NO_FILES);
  const { missing_files: missing, file_notes: notes } = before.metadata.platform_specific;
  const { sender } = message;
  const named =
    sender?.name === '' && before.sender?.address === sender.address ? before.sender : sender;
  return {
    ...message,
    sender: named,
    attachments: before.attachments,
    metadata: {
      ...message.metadata,
      platform_specific: {
        ...message.metadata.platform_specific,
        ...(notes === undefined ? {} : { file_notes: notes }),
        ...(missing === undefined ? {} : { missing_files: missing }),
      },
    },
  };
}

/** The customer asks for silence, or takes that back; null of everything else. */
export function optingOf({
  message,
  reaction,
}: Pick<ChatMessage, 'message' | 'reaction'>): 'out' | 'in' | null {
  const isSaid = message.direction === 'inbound' && message.kind === 'message' && !reaction;
  return isSaid ? optOf(message.content) : null;
}

/** What became of a message, or of a person: written by nobody. */
export function isNotice({ kind }: Pick<NormalizedMessage, 'kind'>): boolean {
  return kind !== 'message';
}

/** Why it joins, but moves nothing: nobody is to answer it. */
function whyNobodyIsAsked(chat: ChatMessage): string | null {
  if (chat.reaction) return 'a reaction';
  if (optingOf(chat) === 'out') return 'an opt-out word';
  return isNotice(chat.message) ? 'a notice' : null;
}

/** Rules find a chat's first line where a mail has its subject. */
export function asRulesSee(mail: ParsedMail, subject: string): ParsedMail {
  return { ...mail, message: { ...mail.message, subject } };
}

/** What a chat's ticket is called: the first line of what was written, else who wrote. */
export function chatSubject({
  message,
  party,
}: {
  readonly message: Pick<NormalizedMessage, 'content'>;
  readonly party: ChatMessage['party'];
}): string {
  const line = message.content
    .split('\n')
    .map((text) => text.trim())
    .find((text) => text !== '');
  if (line === undefined) return `Message from ${party.name || party.address}`;
  if (line.length <= SUBJECT_CHARACTERS) return line;
  // A cut through a surrogate pair would be no text.
  return `${line
    .slice(0, SUBJECT_CHARACTERS - 1)
    .toWellFormed()
    .replace(/\uFFFD$/, '')
    .trimEnd()}…`;
}

/** What came of its files plays no part: they may come later. */
function hashOf({ message, party, media }: ChatMessage, vendorId: string | null): string {
  const said = [
    vendorId,
    party.address,
    message.direction,
    message.timestamp,
    message.content,
    media.map(({ id, url }) => id ?? url),
  ];
  return createHash('sha256').update(JSON.stringify(said)).digest('hex');
}

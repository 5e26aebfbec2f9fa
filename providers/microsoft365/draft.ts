import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { OutgoingMessage } from '../contract.ts';
import { composeMail } from '../submission.ts';
import type { Graph } from './client.ts';
import { failure } from './failure.ts';
import { upload } from './upload.ts';

/** Of a request's body, in bytes; some less than the vendor's 4 MB (https://learn.microsoft.com/graph/outlook-send-mime-message). */
const MOST_BODY_BYTES = 4_000_000;
/**
 * Larger files go by upload session, which takes none under 3 MB; smaller ones fit into a request
 * (https://learn.microsoft.com/graph/outlook-large-attachments).
 */
const SMALL_FILE_BYTES = 3_100_000;
const WRITE = 'Mail.ReadWrite';

interface FoundMessage {
  readonly id: string;
  readonly isDraft: boolean;
  /** With brackets. */
  readonly internetMessageId?: string;
}

export interface Draft {
  readonly id: string;
  /** Without brackets: ours, unless Exchange has put another in its place. */
  readonly messageId: string;
}

/** All messages of the mailbox with our Message-ID, whatever folder they are in. @throws ProviderFailure */
export async function messagesWithId(
  graph: Graph,
  messageId: string,
): Promise<readonly FoundMessage[]> {
  const quoted = `<${messageId}>`.replaceAll("'", "''");
  const filter = encodeURIComponent(`internetMessageId eq '${quoted}'`);
  const { value } = await graph.ask<{ value: readonly FoundMessage[] }>({
    method: 'GET',
    path: `${graph.mailbox}/messages?$select=id,isDraft&$filter=${filter}&$top=20`,
    permission: 'Mail.Read',
  });
  return value;
}

/**
 * The draft of this mail, whole: one that an earlier attempt left is used again, or made anew where it isn't whole.
 * It is made of MIME, which keeps Message-ID and threading headers: Graph's JSON takes none but those that begin with
 * `x-`. What is too large for that is attached to it file by file. @throws ProviderFailure
 */
export async function wholeDraft(
  graph: Graph,
  message: OutgoingMessage,
  drafts: readonly FoundMessage[],
): Promise<Draft> {
  const whole = await composedWithin(message, MOST_BODY_BYTES);
  const apart = whole === null ? message.attachments : [];
  for (const { id } of drafts) {
    if (await hasAttachments(graph, id, apart.length)) return { id, messageId: message.messageId };
    await graph.ask({ method: 'DELETE', path: pathOf(graph, id), permission: WRITE });
  }
  const mime = whole ?? (await composedWithin({ ...message, attachments: [] }, MOST_BODY_BYTES));
  if (mime === null)
    throw failure(
      'too_large',
      'give_up',
      'The text of the mail is larger than the 4 MB that Microsoft 365 takes.',
    );
  const made = await graph.ask<FoundMessage>({
    method: 'POST',
    path: `${graph.mailbox}/messages`,
    body: mime,
    permission: WRITE,
  });
  const messageId = await ourMessageId(graph, made, message.messageId);
  for (const attachment of apart) await attach(graph, made.id, attachment);
  return { id: made.id, messageId };
}

/**
 * Exchange may put a Message-ID of its own in place of ours (MS-OXCMAIL §2.1.3.2.11). While it is a draft it can be
 * put right: by it an attempt is found again. @returns the one that it has in the end
 */
async function ourMessageId(
  graph: Graph,
  { id, internetMessageId }: FoundMessage,
  ours: string,
): Promise<string> {
  if (internetMessageId === undefined || internetMessageId === `<${ours}>`) return ours;
  const put = await graph.ask<FoundMessage>({
    method: 'PATCH',
    path: pathOf(graph, id),
    body: { internetMessageId: `<${ours}>` },
    permission: WRITE,
    repeatable: true,
  });
  return (put.internetMessageId ?? internetMessageId).replace(/^<|>$/g, '');
}

/** The mail as MIME in base64; null where it is larger than `most`. */
async function composedWithin(message: OutgoingMessage, most: number): Promise<string | null> {
  const files = message.attachments.reduce((sum, { size }) => sum + size, 0);
  // Base64 twice: in the MIME, and around it.
  if ((files * 16) / 9 > most) return null;
  const mime = await composeMail(message).build();
  // Exchange takes lines that end in CRLF (RFC 5322 §2.3).
  const lines = Buffer.from(mime.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1');
  const base64 = lines.toString('base64');
  return base64.length > most ? null : base64;
}

/** A draft made of MIME alone is always whole: Graph makes it at once or not at all. */
async function hasAttachments(graph: Graph, id: string, count: number): Promise<boolean> {
  if (count === 0) return true;
  const { value } = await graph.ask<{ value: readonly unknown[] }>({
    method: 'GET',
    path: `${pathOf(graph, id)}/attachments?$select=id`,
    permission: 'Mail.Read',
  });
  return value.length === count;
}

type Attachment = OutgoingMessage['attachments'][number];

async function attach(graph: Graph, draft: string, attachment: Attachment): Promise<void> {
  const { filename: name, contentType, size, contentId, inline, content } = attachment;
  const item = {
    name,
    contentType,
    isInline: inline ?? contentId != null,
    ...(contentId != null && { contentId }),
  };
  const path = `${pathOf(graph, draft)}/attachments`;
  if (size > SMALL_FILE_BYTES) return upload(graph, path, { ...item, size }, content());
  const contentBytes = (await buffer(Readable.from(content()))).toString('base64');
  await graph.ask({
    method: 'POST',
    path,
    body: { '@odata.type': '#microsoft.graph.fileAttachment', ...item, contentBytes },
    permission: WRITE,
  });
}

function pathOf(graph: Graph, id: string): string {
  return `${graph.mailbox}/messages/${encodeURIComponent(id)}`;
}

import {
  addressed,
  attachmentFacts,
  firstContact,
  partyAt,
  partyOfTicket,
  type Party,
} from './queries/chat-outgoing.ts';
import type { MessageRow } from './queries/messages.ts';
import { templatesNamed } from './queries/message-templates.ts';
import type { TicketRow } from './queries/tickets.ts';
import type { Tx } from './connection.ts';
import {
  chatRefusal,
  sayable,
  type ChatTerms,
  type Conversation,
  type Refusal,
} from '../domain/chat-answer.ts';
import type { Interactive } from '../domain/chat.ts';
import { chooseTemplate, type Chosen, type WantedTemplate } from '../domain/chosen-template.ts';
import { fileProblem } from '../domain/template-values.ts';
import { htmlToPlainText } from '../domain/mail/html.ts';
import type { MailAddress, Message } from '../domain/message.ts';
import type { ChatCapability } from '../providers/contract.ts';

/** What an answer on a chat may say. */
export interface ChatPayload {
  readonly text?: string | null;
  readonly html?: string | null;
  readonly to?: readonly MailAddress[];
  readonly cc?: readonly MailAddress[];
  readonly attachments?: readonly string[];
  readonly in_reply_to?: string | null;
  readonly template?: string | WantedTemplate;
  readonly interactive?: Interactive;
  readonly tag?: string;
}

/** An answer that may be sent. */
export interface ChatDraft {
  readonly party: Party;
  readonly to: readonly MailAddress[];
  readonly text: string;
  /** Uploads, the one that a template's header shows among them. */
  readonly attachments: readonly string[];
  /** The vendor's id of the message that is quoted. */
  readonly quotes: string | null;
  /** Kept with the message, and read again when it is sent. */
  readonly specific: ChatSpecific;
}

/** `metadata.platform_specific` of a message that is sent on a chat. */
export interface ChatSpecific {
  readonly message_type: string;
  readonly template?: Chosen['template'];
  readonly interactive?: Interactive;
  readonly tag?: string;
}

export interface ChatPlace {
  readonly tx: Tx;
  readonly channelId: string;
  readonly chat: ChatCapability<unknown>;
  readonly ticket: Pick<TicketRow, 'id' | 'requester_id'>;
}

/**
 * Makes an answer of what an agent wrote, or says why it can't be sent at that time.
 * @param answered the message that was named to be answered, which is then quoted
 */
export async function draftChat(
  place: ChatPlace,
  payload: ChatPayload,
  answered: MessageRow | null,
  at: Date,
): Promise<ChatDraft | Refusal> {
  const { tx, channelId, chat } = place;
  if (payload.cc?.length)
    return { code: 'no_cc', detail: 'A chat has one person at the other end; leave out "cc".' };
  const party = await partyOf(place, payload, answered);
  if ('code' in party) return party;
  const terms = termsOf(chat);
  const template = await templateOf(place, payload);
  if (template && 'code' in template) return template;
  const text = template?.text ?? writtenText(payload);
  const attachments = template?.header
    ? [template.header.attachmentId]
    : [...(payload.attachments ?? [])];
  const { interactive = null, tag = null } = payload;
  const refusal = chatRefusal(
    {
      text,
      attachments: attachments.length,
      hasTemplate: template !== null,
      interactive,
      tag,
    },
    terms,
    party,
    at,
  );
  if (refusal) return refusal;
  const [file] = await attachmentFacts(tx, attachments);
  return {
    party,
    to: [addressed(party)],
    text,
    attachments,
    quotes: answered?.channel_id === channelId ? answered.provider_message_id : null,
    specific: {
      message_type: template
        ? 'template'
        : interactive
          ? 'interactive'
          : mediaKind(file?.contentType),
      ...(template && { template: template.template }),
      ...(interactive && { interactive }),
      ...(tag !== null && { tag }),
    },
  };
}

/** Whether what was allowed when it was written still is. */
export function stillAllowed(
  chat: ChatCapability<unknown>,
  conversation: Conversation,
  { template, tag }: Partial<ChatSpecific>,
  at: Date,
): Refusal | null {
  return sayable(
    { hasTemplate: template !== undefined, tag: tag ?? null },
    termsOf(chat),
    conversation,
    at,
  );
}

export function termsOf({ limits, tags, templates, unfit }: ChatCapability<unknown>): ChatTerms {
  return { limits, tags, hasTemplates: templates !== undefined, unfit };
}

async function partyOf(
  { tx, channelId, chat, ticket }: ChatPlace,
  { to = [] }: ChatPayload,
  answered: MessageRow | null,
): Promise<Party | Refusal> {
  if (to.length > 1)
    return {
      code: 'one_recipient',
      detail: 'A chat has one person at the other end; give one address in "to", or none.',
    };
  const named = to[0]?.address ?? (answered?.channel_id === channelId ? otherEnd(answered) : null);
  const party =
    named === null
      ? await partyOfTicket(tx, channelId, ticket)
      : await partyAt(tx, channelId, named);
  const first =
    party === null && chat.firstContact === 'phone' ? await firstContact(tx, ticket, named) : null;
  return (
    party ??
    first ?? {
      code: 'no_recipient',
      detail:
        'There is no conversation with this customer on the channel to answer by; give an "account_id" of one where they wrote.',
    }
  );
}

/** The customer's address in a message, whoever wrote it. */
function otherEnd({ direction, body }: MessageRow): string | null {
  const { sender, to } = body as unknown as Pick<Message, 'sender' | 'to'>; // the column's own form
  return (direction === 'inbound' ? sender?.address : to[0]?.address) ?? null;
}

async function templateOf(
  { tx, channelId, chat }: ChatPlace,
  { template, attachments = [], text, html }: ChatPayload,
): Promise<Chosen | Refusal | null> {
  if (template === undefined) return null;
  if (attachments.length > 0 || (text ?? '') !== '' || (html ?? '') !== '')
    return {
      code: 'template_alone',
      detail:
        'A template goes alone: put what varies into its "values", or send text and attachments without it.',
    };
  return checkedTemplate(
    { tx, channelId, chat },
    typeof template === 'string' ? { name: template } : template,
  );
}

/** The template with its values as the vendor takes them, the file that its header shows among them. */
export async function checkedTemplate(
  { tx, channelId, chat }: Pick<ChatPlace, 'tx' | 'channelId' | 'chat'>,
  wanted: WantedTemplate,
): Promise<Chosen | Refusal> {
  if (!chat.templates)
    return {
      code: 'template_not_supported',
      detail: 'This channel has no templates; write the text.',
    };
  const sameName = await templatesNamed(tx, channelId, wanted.name);
  const chosen = chooseTemplate(wanted, sameName, chat.templateLimits);
  if ('code' in chosen || chosen.header === null) return chosen;
  const { key, kind, attachmentId } = chosen.header;
  const [file] = await attachmentFacts(tx, [attachmentId]);
  if (!file)
    return {
      code: 'unknown_attachment',
      detail: `"values" wants an attachment's id for ${key}, and there is none "${attachmentId}"; upload it first.`,
    };
  const wrong = fileProblem(kind, file, chat.templateLimits);
  return wrong === null ? chosen : { code: 'template_file', detail: wrong };
}

function writtenText({ text, html }: ChatPayload): string {
  return (text ?? (html ? htmlToPlainText(html) : '')).trim();
}

function mediaKind(contentType: string | undefined): string {
  if (contentType === undefined) return 'text';
  const [kind] = contentType.split('/');
  return ['image', 'audio', 'video'].includes(kind!) ? kind! : 'document';
}

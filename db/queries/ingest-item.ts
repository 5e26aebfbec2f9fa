import type { ChatMessage, ChatParty, MediaReference } from '../../domain/chat.ts';
import type { ChannelId, MessageId, SourceId, TenantId, TicketId } from '../../domain/ids.ts';
import { isReportKind } from '../../domain/mail/classify.ts';
import type { ParsedMail } from '../../domain/mail/parse.ts';
import type { Message } from '../../domain/message.ts';
import type { Verdict } from '../../domain/rules/evaluate.ts';
import type { Autoresponder } from '../../domain/rules/schema.ts';
import type { ChatCapability } from '../../providers/contract.ts';
import type { StoredBlob } from './blobs.ts';

/** A stored source and what its parser made of it. */
export interface ParsedSource {
  readonly sourceId: SourceId;
  readonly providerMessageId: string | null;
  readonly mail: ParsedMail;
  /** In the order of `mail.attachments`: bytes, or where large ones were put already. */
  readonly attachments: readonly (Buffer | StoredBlob)[];
  /** What the channel's rules make of it. */
  readonly verdict: Verdict;
  /** Only of a chat's source. */
  readonly chat?: ChatFacts;
}

/** What a chat's source has beside what a mail has. */
export interface ChatFacts {
  readonly party: ChatParty;
  /** The vendor's own id of the message; null where it has none. */
  readonly vendorId: string | null;
  /** The vendor's ids of the messages it quotes, nearest first. */
  readonly answers: readonly string[];
  /** What a ticket that it begins is called. */
  readonly subject: string;
  /** Until when it lets free text be sent; null where it doesn't. */
  readonly windowEndsAt: Date | null;
  /** Why it begins no ticket, in plain words; null where it may. */
  readonly beginsNothing: string | null;
  /** The customer asks for silence, or takes that back. */
  readonly opting: 'out' | 'in' | null;
  /** It is only a mark on another message. */
  readonly reaction: ChatMessage['reaction'] | null;
  /** Of what was sent beside us: our own message that it repeats. */
  readonly sentAs: string | null;
  /** Places of its attachments among its files. */
  readonly positions: readonly number[];
  /** Files that are still to be fetched, or never will be. */
  readonly missing: readonly MissingMedia[];
}

export interface MissingMedia {
  readonly position: number;
  readonly reference: MediaReference;
  /** How often it was tried. */
  readonly attempts: number;
  readonly error: { readonly code: string; readonly detail: string };
  /** When it is tried again; null where it is given up. */
  readonly nextAt: Date | null;
}

export interface IngestingChannel {
  readonly tenantId: TenantId;
  readonly id: ChannelId;
  readonly provider: string;
  readonly name: string;
  /** Whether its provider can send: else nobody is told of mail too large. */
  readonly canSend?: boolean;
  /** The address that answers leave from. */
  readonly address?: string | null;
  /** Tells whoever begins a ticket that it has come. */
  readonly autoresponder?: Autoresponder | null;
  /** Only of a chat: what it can do, and the settings that say what its customers are told. */
  readonly telling?: { readonly chat: ChatCapability<unknown>; readonly settings: unknown };
}

/** A source under ingestion, with the id its message gets. */
export interface Item extends ParsedSource {
  readonly messageId: MessageId;
  /** Sources of the same batch that repeat it: what becomes of it becomes of them. */
  readonly copies: SourceId[];
}

/**
 * `create` begins a ticket, `new_reply` joins one that this batch begins, `join` and `reopen` go to one that was there,
 * `none` is kept without a ticket.
 */
export interface Placed {
  readonly item: Item;
  readonly ticketId: TicketId | null;
  readonly effect: 'create' | 'new_reply' | 'join' | 'reopen' | 'none';
  readonly followUpOf: TicketId | null;
  /** It went to its ticket as a notice of a rule's group. */
  readonly isGrouped?: boolean;
}

/** Written by no person: it joins, but moves nothing. */
export function isAutomatic(item: Item): boolean {
  return item.mail.automatic.automatic || isReport(item);
}

/** What a machine reports; it begins no ticket. */
export function isReport({ mail }: Item): boolean {
  return isReportKind(mail.message.kind);
}

export function receivedEvents(
  placed: readonly Placed[],
  messages: ReadonlyMap<MessageId, Message>,
) {
  return placed.map(({ item }) => ({
    type: 'message.received' as const,
    data: { message: withoutBulk(messages.get(item.messageId)!) },
  }));
}

/** Of what was sent beside us. */
export function sentEvents(placed: readonly Placed[], messages: ReadonlyMap<MessageId, Message>) {
  return placed.map(({ item }) => ({
    type: 'message.sent' as const,
    data: { message: withoutBulk(messages.get(item.messageId)!) },
  }));
}

/** Longest text an event carries; the API gives the whole. */
const EVENT_TEXT_CHARACTERS = 64 * 1024;

/** As an event carries it. */
export function withoutBulk(message: Message): Message {
  // Cut through a surrogate pair, jsonb would refuse it.
  const cut = (text: string) => text.slice(0, EVENT_TEXT_CHARACTERS).toWellFormed();
  return {
    ...message,
    content: cut(message.content),
    new_content: cut(message.new_content),
    quoted_content: message.quoted_content === null ? null : cut(message.quoted_content),
    html:
      message.html !== null && message.html.length > EVENT_TEXT_CHARACTERS ? null : message.html,
  };
}

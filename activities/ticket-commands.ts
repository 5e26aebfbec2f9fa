import { assertNever } from '../domain/assert-never.ts';
import { newId, type TicketId } from '../domain/ids.ts';
import { mintMessageId } from '../domain/mail/message-id.ts';
import { isDeliverable } from '../domain/mail/addresses.ts';
import type { MailAddress, Message } from '../domain/message.ts';
import { answeredTo } from '../db/queries/routing.ts';
import {
  answerSubject,
  replyRecipients,
  writtenMessage,
  type Answered,
  type WrittenMessage,
} from '../domain/reply.ts';
import type { Refusal } from '../domain/chat-answer.ts';
import type { TicketStatus } from '../domain/ticket.ts';
import type { Tx } from '../db/connection.ts';
import { isActive } from '../db/queries/assignees.ts';
import { talkOn, type Party } from '../db/queries/chat-outgoing.ts';
import type { Command } from '../db/queries/commands.ts';
import { presentMessages, type MessageRow } from '../db/queries/messages.ts';
import {
  answeredMessage,
  attachTo,
  insertWritten,
  ownAddresses,
  rememberMessageId,
  requesterAddress,
  unknownAttachments,
} from '../db/queries/outgoing.ts';
import { markScheduledSent } from '../db/queries/scheduled-messages.ts';
import { changeTicket, TICKET_FIELDS, type ChangeContext } from '../db/queries/ticket-changes.ts';
import type { TicketFields } from '../db/queries/ticket-changes.ts';
import type { TicketRow } from '../db/queries/tickets.ts';
import type { KeyRing } from '../security/key-ring.ts';
import type { ChatCapability } from '../providers/contract.ts';
import type { CommandOutcome } from '../workflows/contracts/ticket.ts';
import { answeringChannel, type AnsweringPlace } from '../db/answering-channel.ts';
import { draftChat, type ChatPayload } from '../db/chat-draft.ts';
import { messagesRefused } from '../telemetry/metrics.ts';

/** How long an answer is tried. */
const SEND_FOR_MS = 24 * 3600 * 1000;

/** What a reply's command row holds. */
export interface ReplyPayload extends ChatPayload {
  /** The message answered; default the customer's latest, which is then not quoted. */
  readonly in_reply_to?: string | null;
  /** It was set for a time, and may have been cancelled. */
  readonly scheduled_id?: string;
  /** Provider or channel to send by; default that of the message answered, else the ticket's. */
  readonly channel?: string | null;
  readonly account_id?: string | null;
  /** The ticket's status afterwards; default as it is. */
  readonly status?: TicketStatus;
}

export interface CommandWork {
  readonly context: ChangeContext;
  readonly ticket: TicketRow;
  readonly command: Command;
  readonly keys: KeyRing;
  /** Whether channels of this provider send. */
  readonly canSend: (provider: string) => boolean;
  readonly wayOut: AnsweringPlace['wayOut'];
  /** Of a provider whose channels are chats. */
  readonly chatOf: (provider: string) => ChatCapability<unknown> | undefined;
  /** Domain of our Message-IDs where the channel has no address. */
  readonly fallbackDomain: string;
}

export interface Applied {
  readonly outcome: CommandOutcome;
  readonly ticket: TicketRow;
}

/** Does what a command says, in the caller's transaction and under the ticket's lock. */
export async function apply(work: CommandWork): Promise<Applied> {
  const { command, ticket } = work;
  if (command.ifVersion !== null && command.ifVersion !== ticket.version)
    return refused(
      work,
      412,
      'version_mismatch',
      `The ticket has been changed since: it is at version ${ticket.version}. Read it again and repeat the change.`,
    );
  switch (command.kind) {
    case 'reply':
      return (await refusedAttachments(work)) ?? reply(work, command.payload);
    case 'note':
      return (await refusedAttachments(work)) ?? note(work, command.payload);
    case 'assign':
    case 'setStatus':
    case 'setPriority':
    case 'setTags':
    case 'edit':
      return edit(work);
    case 'policyChanged':
      return done(await changeTicket(work.context, { ticket, policyEdited: true }));
    default:
      return assertNever(command.kind);
  }
}

async function refusedAttachments(work: CommandWork): Promise<Applied | null> {
  const { attachments = [] }: ReplyPayload = work.command.payload;
  const unknown = await unknownAttachments(work.context.tx, attachments);
  if (unknown.length === 0) return null;
  const named = unknown.map((id) => `"${id}"`).join(', ');
  return refused(
    work,
    422,
    'unknown_attachment',
    `There is no attachment ${named}; upload it first.`,
  );
}

async function edit(work: CommandWork): Promise<Applied> {
  const { context, ticket, command } = work;
  const fields: TicketFields = Object.fromEntries(
    TICKET_FIELDS.filter((field) => command.payload[field] !== undefined).map((field) => [
      field,
      command.payload[field],
    ]),
  );
  if (fields.custom_fields)
    Object.assign(fields, { custom_fields: merged(ticket.custom_fields, fields.custom_fields) });
  const missing = await missingAssignee(context.tx, fields);
  if (missing) return refused(work, 422, 'unknown_assignee', missing);
  if (Object.keys(fields).length === 0) return done(ticket);
  return done(await changeTicket(context, { ticket, fields }));
}

/** Fields given are set, null removes one, others stay. */
function merged(before: Record<string, unknown>, given: Record<string, unknown>) {
  const all = Object.entries({ ...before, ...given });
  return Object.fromEntries(all.filter(([, value]) => value !== null));
}

async function missingAssignee(tx: Tx, fields: TicketFields): Promise<string | null> {
  if (fields.assignee_id && !(await isActive(tx, 'agents', fields.assignee_id)))
    return `There is no active agent "${fields.assignee_id}" to assign the ticket to.`;
  if (fields.team_id && !(await isActive(tx, 'teams', fields.team_id)))
    return `There is no active team "${fields.team_id}" to assign the ticket to.`;
  return null;
}

async function note(work: CommandWork, payload: ReplyPayload): Promise<Applied> {
  const { context, ticket, command } = work;
  const { tx, now } = context;
  const id = newId('message', now.getTime());
  const body = writtenMessage({
    provider: ticket.channel,
    direction: 'internal',
    kind: 'note',
    status: 'received',
    sender: null,
    to: [],
    cc: [],
    subject: null,
    text: payload.text ?? null,
    html: payload.html ?? null,
    messageId: null,
    answered: null,
    now,
  });
  const row = await insertWritten(tx, {
    id,
    tenantId: context.pending.tenantId,
    ticketId: ticket.id,
    channelId: ticket.account_id,
    authorId: command.actor.id,
    body,
    sendBy: null,
    now,
  });
  await attachTo(tx, id, payload.attachments ?? []);
  const [message] = await presentMessages(tx, [row]);
  const after = await changeTicket(context, {
    ticket,
    said: { by: 'nobody', messages: 1, text: body.content },
    ...(payload.status ? { fields: { status: payload.status } } : {}),
    action: 'comment.added',
    events: [{ type: 'comment.added', data: { message } }],
  });
  return done(after, id);
}

async function reply(work: CommandWork, payload: ReplyPayload): Promise<Applied> {
  const { context, ticket, command } = work;
  const { tx, now } = context;
  const tenantId = context.pending.tenantId;
  const answered = await answeredMessage(tx, ticket.id, payload.in_reply_to ?? null);
  if (payload.in_reply_to && !answered)
    return refused(
      work,
      422,
      'unknown_message',
      `There is no message "${payload.in_reply_to}" on this ticket to answer.`,
    );
  const place = { tx, tenantId, ticket, at: now, canSend: work.canSend, wayOut: work.wayOut };
  const channel = await answeringChannel(place, answered, payload);
  if ('code' in channel) return refused(work, 422, channel.code, channel.detail);
  const draft = await draftOf(work, channel, payload, answered);
  if ('code' in draft) {
    messagesRefused.inc({ provider: channel.provider, reason: draft.code });
    return refused(work, 422, draft.code, draft.detail);
  }
  const id = newId('message', now.getTime());
  if (payload.scheduled_id && !(await markScheduledSent(tx, payload.scheduled_id, id)))
    return refused(work, 409, 'not_scheduled', 'It was cancelled, or has been sent already.');
  const messageId = mintMessageId({
    tenantId,
    ticketId: ticket.id as TicketId,
    messageId: id,
    key: work.keys.derive('message-id'),
    domain: domainOf(channel.address) ?? work.fallbackDomain,
  });
  const body = writtenMessage({
    provider: channel.provider,
    direction: 'outbound',
    kind: 'message',
    status: 'queued',
    sender: { name: channel.name, address: draft.party?.ours ?? channel.address ?? '' },
    ...draft.written,
    messageId,
    now,
  });
  await insertWritten(tx, {
    id,
    tenantId,
    ticketId: ticket.id,
    channelId: channel.id,
    authorId: command.actor.id,
    body,
    sendBy: new Date(now.getTime() + SEND_FOR_MS),
    now,
  });
  if (draft.party) await talkOn(tx, channel.id, draft.party, ticket);
  else await rememberMessageId(tx, tenantId, ticket.id, messageId);
  await attachTo(tx, id, draft.attachments);
  const after = await changeTicket(context, {
    ticket,
    said: { by: 'agent', messages: 1, text: body.content },
    ...(payload.status ? { fields: { status: payload.status } } : {}),
    action: 'message.queued',
  });
  return done(after, id);
}

interface Draft {
  readonly written: Pick<
    WrittenMessage,
    'to' | 'cc' | 'subject' | 'text' | 'html' | 'answered' | 'specific'
  >;
  readonly attachments: readonly string[];
  /** Only on a chat. */
  readonly party: Party | null;
}

async function draftOf(
  work: CommandWork,
  channel: { readonly id: string; readonly provider: string },
  payload: ReplyPayload,
  answered: MessageRow | null,
): Promise<Draft | Refusal> {
  const chat = work.chatOf(channel.provider);
  return chat === undefined
    ? draftMail(work, payload, answered)
    : chatDraft(work, { channelId: channel.id, chat }, payload, answered);
}

async function chatDraft(
  { context, ticket }: CommandWork,
  place: { readonly channelId: string; readonly chat: ChatCapability<unknown> },
  payload: ReplyPayload,
  answered: MessageRow | null,
): Promise<Draft | Refusal> {
  const { tx, now } = context;
  const isNamed = payload.in_reply_to != null;
  const draft = await draftChat({ ...place, tx, ticket }, payload, isNamed ? answered : null, now);
  if ('code' in draft) return draft;
  const { to, text, quotes, specific, attachments, party } = draft;
  const written = { to, cc: [], subject: null, text, html: null, specific };
  return { written: { ...written, answered: quotedAs(quotes) }, attachments, party };
}

/** A chat threads by its vendor's ids. */
function quotedAs(vendorId: string | null): Answered | null {
  if (vendorId === null) return null;
  const nobody = { sender: null, reply_to: [], to: [] };
  return { direction: 'inbound', ...nobody, message_id: vendorId, references: [] };
}

async function draftMail(
  work: CommandWork,
  payload: ReplyPayload,
  answered: MessageRow | null,
): Promise<Draft | Refusal> {
  const chatOnly = (['template', 'interactive', 'tag'] as const).find(
    (part) => payload[part] !== undefined,
  );
  if (chatOnly)
    return {
      code: `${chatOnly}_not_supported`,
      detail: `Mail has no "${chatOnly}"; write the text.`,
    };
  if ((payload.text ?? '').trim() === '' && (payload.html ?? '').trim() === '')
    return { code: 'nothing_written', detail: 'Give "text" or "html".' };
  const to = payload.to?.length
    ? payload.to
    : await recipients(
        work,
        answered && answeredTo(answered.body as unknown as Answered, answered.routing),
      );
  if (to.length === 0 || !to.every(({ address }) => isDeliverable(address)))
    return {
      code: 'no_recipient',
      detail:
        'Nobody is left to answer: the customer has no address that mail can be sent to. Give one in "to".',
    };
  return {
    written: {
      to,
      cc: payload.cc ?? [],
      subject: answerSubject(work.ticket.subject),
      text: payload.text ?? null,
      html: payload.html ?? null,
      answered: answered && (answered.body as unknown as Message),
    },
    attachments: payload.attachments ?? [],
    party: null,
  };
}

async function recipients(work: CommandWork, answered: Answered | null): Promise<MailAddress[]> {
  const { tx, pending } = work.context;
  return replyRecipients(
    answered,
    await requesterAddress(tx, work.ticket.requester_id),
    await ownAddresses(tx, pending.tenantId),
  );
}

function domainOf(address: string | null): string | null {
  const at = address?.lastIndexOf('@') ?? -1;
  return at < 0 ? null : address!.slice(at + 1);
}

function done(ticket: TicketRow, messageId?: string): Applied {
  return {
    ticket,
    outcome: { ok: true, version: ticket.version, ...(messageId ? { messageId } : {}) },
  };
}

function refused(
  { ticket }: CommandWork,
  status: 404 | 409 | 412 | 422,
  code: string,
  detail: string,
): Applied {
  return { ticket, outcome: { ok: false, status, code, detail } };
}

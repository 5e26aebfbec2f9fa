import { answeringChannel, wayOutBy } from '../../db/answering-channel.ts';
import { draftChat, type ChatPayload } from '../../db/chat-draft.ts';
import { inTenant, type Tx } from '../../db/connection.ts';
import { answeredMessage, unknownAttachments } from '../../db/queries/outgoing.ts';
import type { TicketRow } from '../../db/queries/tickets.ts';
import type { Refusal } from '../../domain/chat-answer.ts';
import type { TenantId } from '../../domain/ids.ts';
import { findProvider } from '../../providers/registry.ts';
import { messagesRefused } from '../../telemetry/metrics.ts';
import type { ApiDeps } from '../deps.ts';
import { Problem } from '../problem.ts';
import { refusedField } from '../refused-field.ts';

export type AnswerPayload = ChatPayload & {
  readonly channel?: string;
  readonly account_id?: string;
};

/**
 * Whether an answer could be sent then, as far as that can be known now: it is checked once more when it is queued, and
 * when it leaves. Returns the channel it leaves by. @throws Problem 422
 */
export async function checkAnswer(
  tx: Tx,
  { deps, tenantId }: { deps: ApiDeps; tenantId: TenantId },
  ticket: TicketRow,
  payload: AnswerPayload,
  at: Date,
): Promise<{ readonly channelId: string }> {
  const named = payload.in_reply_to ?? null;
  const answered = await answeredMessage(tx, ticket.id, named);
  if (named !== null && !answered)
    throw refused(
      {
        code: 'unknown_message',
        detail: `There is no message "${named}" on this ticket to answer.`,
      },
      payload,
    );
  const wayOut = wayOutBy(findProvider, deps.keys);
  const way = { tx, tenantId, ticket, at, canSend, wayOut };
  const channel = await answeringChannel(way, answered, payload);
  if ('code' in channel) throw refused(channel, payload);
  const [unknown] = await unknownAttachments(tx, payload.attachments ?? []);
  if (unknown !== undefined)
    throw refused(
      {
        code: 'unknown_attachment',
        detail: `There is no attachment "${unknown}"; upload it first.`,
      },
      payload,
    );
  const chat = findProvider(channel.provider)?.chat;
  if (chat) {
    const place = { tx, channelId: channel.id, chat, ticket };
    const draft = await draftChat(place, payload, named === null ? null : answered, at);
    if ('code' in draft) {
      messagesRefused.inc({ provider: channel.provider, reason: draft.code });
      throw refused(draft, payload);
    }
  } else if (payload.template !== undefined)
    throw refused(
      { code: 'template_not_supported', detail: 'Mail has no "template"; write the text.' },
      payload,
    );
  return { channelId: channel.id };
}

const canSend = (provider: string) => findProvider(provider)?.sender !== undefined;

/** The same, of one that is set for a time. */
export function checkScheduled(
  call: { deps: ApiDeps; tenantId: TenantId },
  ticket: TicketRow,
  payload: AnswerPayload,
  at: Date,
): Promise<{ readonly channelId: string }> {
  return inTenant(call.deps.db, call.tenantId, (tx) => checkAnswer(tx, call, ticket, payload, at));
}

function refused(refusal: Refusal, payload: AnswerPayload): Problem {
  const { code, detail } = refusal;
  return new Problem(422, code, detail, { errors: refusedField(refusal, payload) });
}

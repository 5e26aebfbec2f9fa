import { Readable } from 'node:stream';
import type { Deps } from './deps.ts';
import { stillAllowed, type ChatSpecific } from '../db/chat-draft.ts';
import { inTenant } from '../db/connection.ts';
import { readBlob } from '../db/queries/blobs.ts';
import { customerTurn } from '../db/queries/customer-turns.ts';
import { outgoingAttachments } from '../db/queries/outgoing.ts';
import type { SendClaim } from '../db/queries/send-claims.ts';
import { isWindowOpen } from '../domain/chat-answer.ts';
import { ProviderFailure } from '../domain/failure.ts';
import type { TenantId } from '../domain/ids.ts';
import type { Message } from '../domain/message.ts';
import type {
  ChannelProvider,
  OutgoingChat,
  OutgoingMessage,
  ProviderCall,
} from '../providers/contract.ts';

/** A claimed answer as its provider is handed it. @throws ProviderFailure that ends it, or has it wait */
export async function outgoing(
  deps: Deps,
  tenantId: TenantId,
  { message, ticketNumber }: SendClaim,
  provider: ChannelProvider,
  { channel }: ProviderCall<unknown>,
): Promise<OutgoingMessage> {
  const body = message.body as unknown as Message; // writtenMessage made it
  const attachments = await outgoingAttachments(deps.db, tenantId, message.id);
  return {
    id: message.id,
    messageId: message.message_id ?? message.id,
    from: { name: channel.name, address: channel.address ?? '' },
    replyTo: null,
    to: body.to,
    cc: body.cc,
    subject: body.subject ?? '',
    text: body.content,
    html: body.html,
    inReplyTo: body.in_reply_to[0] ?? null,
    references: body.references,
    attachments: attachments.map(({ sha256, ...attachment }) => ({
      ...attachment,
      content: () => Readable.from(readBlob(deps.db, tenantId, sha256)),
    })),
    automatic: message.kind !== 'message',
    ticketNumber,
    ...(provider.chat && {
      chat: await outgoingChat(deps, tenantId, provider.chat, message.channel_id, body),
    }),
  };
}

/**
 * How things stand with the customer now: since the answer was written its window may have ended, or the customer may
 * have asked for silence. @throws ProviderFailure that ends it
 */
async function outgoingChat(
  deps: Deps,
  tenantId: TenantId,
  chat: NonNullable<ChannelProvider['chat']>,
  channelId: string,
  body: Message,
): Promise<OutgoingChat> {
  const address = body.to[0]?.address ?? '';
  const { party, waitMs } = await inTenant(deps.db, tenantId, (tx) =>
    customerTurn(tx, channelId, address, chat.pace?.perCustomer),
  );
  const specific = body.metadata.platform_specific as Partial<ChatSpecific>; // draftChat wrote it
  const conversation = party ?? {
    address,
    windowEndsAt: null,
    lastInboundAt: null,
    optedOutAt: null,
  };
  const refusal = stillAllowed(chat, conversation, specific, new Date());
  if (refusal)
    throw new ProviderFailure({
      code: `chat.${refusal.code}`,
      class: 'give_up',
      message: `It could not be sent in time. ${refusal.detail}`,
    });
  if (waitMs > 0) throw tooManyAtOnce(waitMs);
  const { windowEndsAt, optedOutAt } = conversation;
  return {
    conversation: { address, windowEndsAt, optedOutAt },
    quotes: body.in_reply_to[0] ?? null,
    template: specific.template ?? null,
    interactive: specific.interactive ?? null,
    tag: isWindowOpen(conversation, new Date()) ? null : (specific.tag ?? null),
  };
}

/** The vendor would refuse it: it waits here. */
function tooManyAtOnce(ms: number): ProviderFailure {
  return new ProviderFailure({
    code: 'chat.customer_paced',
    class: 'wait',
    message: `So many messages went to this customer within a short time that the vendor would refuse one more; it goes out in ${Math.ceil(ms / 1000)} s.`,
    retryAfterMs: ms,
  });
}

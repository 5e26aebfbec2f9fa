import { Readable } from 'node:stream';
import { Context } from '@temporalio/activity';
import { storedChannelCall } from '../db/channel-call.ts';
import { inTenant } from '../db/connection.ts';
import { markAnswered } from '../db/mark-read.ts';
import { noticingRefusals } from '../db/noticing-refusals.ts';
import { readBlob } from '../db/queries/blobs.ts';
import { loadChannel, type LoadedChannel } from '../db/queries/channels.ts';
import { customerTurn } from '../db/queries/customer-turns.ts';
import { applyEarlyStatuses } from '../db/queries/delivery-statuses.ts';
import { presentMessages } from '../db/queries/messages.ts';
import { outgoingAttachments } from '../db/queries/outgoing.ts';
import { Pending } from '../db/queries/outbox.ts';
import {
  claimForSending,
  endSending,
  setSendPhase,
  type Ending,
  type SendClaim,
} from '../db/queries/send-claims.ts';
import { recordTicketEvents } from '../db/queries/ticket-changes.ts';
import { isWindowOpen } from '../domain/chat-answer.ts';
import { ProviderFailure } from '../domain/failure.ts';
import type { TenantId } from '../domain/ids.ts';
import type { Message } from '../domain/message.ts';
import type {
  ChannelProvider,
  OutgoingChat,
  OutgoingMessage,
  ProviderCall,
  SendReceipt,
} from '../providers/contract.ts';
import { classified } from '../providers/classified.ts';
import { findProvider } from '../providers/registry.ts';
import { messagesFailed } from '../telemetry/metrics.ts';
import { measuredCall } from '../telemetry/provider-calls.ts';
import { traced } from '../telemetry/trace.ts';
import type { SendingActivities } from '../workflows/contracts/ticket-activities.ts';
import { stillAllowed, type ChatSpecific } from '../db/chat-draft.ts';
import type { Deps } from './deps.ts';
import { providerErrors } from './failures.ts';
import { heldFor, holdOn } from './held-sends.ts';
import { SendSigns } from './send-signs.ts';

/** While nobody is asked, because the channel rests or was refused: soon after that is mended, the answer goes out. */
const HELD_AGAIN_MS = 60_000;
/** Where it is unknown whether it went out: time for it to show in the Sent folder. */
const DOUBT_DELAY_MS = 15_000;
/** A vendor that reports what arrives says something within moments; after this its silence is conspicuous. */
const RECEIPT_WITHIN_MS = 15 * 60_000;

export interface ProviderOptions {
  /** For tests that bring a provider of their own. */
  readonly findProvider?: (name: string) => ChannelProvider | undefined;
  /** How long a vendor's first report is waited for, in milliseconds. */
  readonly receiptWithinMs?: number;
  /** How soon an answer that is held back looks whether it may go, in milliseconds. */
  readonly heldAgainMs?: number;
}

/** Hands answers to the outside. On every provider's own queue. */
export function createSendingActivities(
  deps: Deps,
  options: ProviderOptions = {},
): SendingActivities {
  const find = options.findProvider ?? findProvider;
  const receiptWithinMs = options.receiptWithinMs ?? RECEIPT_WITHIN_MS;
  const heldAgainMs = options.heldAgainMs ?? HELD_AGAIN_MS;
  const room: Room = { deps, find, receiptWithinMs, heldAgainMs };
  return {
    async sendMessage({ tenantId, messageId }) {
      return providerErrors(() => send(room, tenantId as TenantId, messageId), {
        reauthenticateAfterMs: heldAgainMs,
      });
    },
  };
}

interface Room {
  readonly deps: Deps;
  readonly find: (name: string) => ChannelProvider | undefined;
  readonly receiptWithinMs: number;
  readonly heldAgainMs: number;
}

type Outcome = Awaited<ReturnType<SendingActivities['sendMessage']>>;

/**
 * One attempt. It claims the message (a later claim bars this one), asks after a transmission that an earlier attempt
 * began and nobody finished, and only then transmits.
 */
async function send(room: Room, tenantId: TenantId, messageId: string): Promise<Outcome> {
  const claim = await claimForSending(room.deps.db, tenantId, messageId);
  if (!claim) return { status: 'ended' };
  const options = {
    kind: 'client',
    parent: claim.traceparent,
    attributes: { 'postroom.tenant': tenantId, 'postroom.message': messageId },
  } as const;
  return traced('send', options, () => sendClaimed(room, tenantId, claim));
}

async function sendClaimed(
  { deps, find, receiptWithinMs, heldAgainMs }: Room,
  tenantId: TenantId,
  claim: SendClaim,
): Promise<Outcome> {
  const sent = (receipt: SendReceipt) =>
    takenBy(find(providerName(claim)), receipt, receiptWithinMs);
  const alive = new SendSigns();
  try {
    // An earlier attempt's transmission succeeded and only writing that down failed.
    const known = alive.receiptOfEarlierAttempt();
    if (known) return await end(deps, tenantId, claim, sent(known));
    const channel = await channelOf(deps, tenantId, claim);
    const provider = find(channel.provider);
    return await noticingRefusals(deps, channel, 'send', async () => {
      const call = await callOf(deps, provider, channel, alive);
      if (claim.inDoubt) {
        const ended = await askAfter(deps, tenantId, claim, provider!, call, sent);
        if (ended) return ended;
      }
      const hold = holdOn(channel, new Date());
      if (hold) {
        await setSendPhase(deps.db, tenantId, holdOf(claim), 'claimed', hold);
        throw heldFor(hold, heldAgainMs);
      }
      const receipt = await measuredCall(channel.provider, 'send', () =>
        transmit(deps, tenantId, claim, provider!, call),
      );
      alive.keep(receipt);
      const ended = await end(deps, tenantId, claim, sent(receipt));
      if (claim.message.kind === 'message') await showRead(deps, provider!, channel, call, claim);
      return ended;
    });
  } finally {
    alive.stop();
  }
}

/** Whoever was answered is shown that it was read; where that fails, the answer stands all the same. */
async function showRead(
  deps: Deps,
  provider: ChannelProvider,
  channel: LoadedChannel,
  call: ProviderCall<unknown>,
  { message }: SendClaim,
): Promise<void> {
  const [to] = (message.body as unknown as Message).to; // writtenMessage made it
  if (!provider.chat || !to) return;
  try {
    await markAnswered(deps, provider, { channel, call }, to.address);
  } catch (error) {
    const code = classified(error)?.code ?? String(error);
    const { channel_id: id } = message;
    deps.log.warn({ channel: id, code }, 'a customer could not be shown what was read');
  }
}

/** Whether an unfinished transmission went out: told by the Sent folder, where there is one to ask. */
async function askAfter(
  deps: Deps,
  tenantId: TenantId,
  claim: SendClaim,
  provider: ChannelProvider,
  call: ProviderCall<unknown>,
  sent: (receipt: SendReceipt) => Ending,
): Promise<Outcome | null> {
  const { message_id: messageId } = claim.message;
  const found = (await provider.mailbox?.findSent?.(call, messageId ?? '')) ?? null;
  if (found === null) return end(deps, tenantId, claim, UNCERTAIN);
  if (found) return end(deps, tenantId, claim, sent({ providerMessageId: null }));
  await setSendPhase(deps.db, tenantId, holdOf(claim), 'claimed');
  return null;
}

async function transmit(
  deps: Deps,
  tenantId: TenantId,
  claim: SendClaim,
  provider: ChannelProvider,
  call: ProviderCall<unknown>,
): Promise<SendReceipt> {
  const hold = holdOf(claim);
  try {
    const message = await outgoing(deps, tenantId, claim, provider, call);
    return await provider.sender!.send(call, message, () =>
      setSendPhase(deps.db, tenantId, hold, 'transmitting'),
    );
  } catch (error) {
    const failure = classified(error);
    // Not the provider's word: whether it went out is as `transmitting` says.
    if (!failure) throw error;
    const told = { code: failure.code, detail: failure.message };
    if (!failure.uncertain) {
      await setSendPhase(deps.db, tenantId, hold, 'claimed', told);
      throw failure;
    }
    await setSendPhase(deps.db, tenantId, hold, 'transmitting', told);
    throw new ProviderFailure(
      {
        code: failure.code,
        class: 'retry',
        message: failure.message,
        status: failure.status,
        uncertain: true,
        retryAfterMs: DOUBT_DELAY_MS,
      },
      { cause: failure },
    );
  }
}

const UNCERTAIN: Ending = {
  status: 'uncertain',
  error: {
    code: 'send.uncertain',
    detail:
      'The connection ended while it was handed over, and this channel has no Sent folder to ask: it may have ' +
      'arrived. It is not sent again by itself; ask the customer, or answer once more.',
  },
};

/** A vendor that reports what becomes of a message has only accepted it so far. */
function takenBy(
  provider: ChannelProvider | undefined,
  { providerMessageId, messageId }: SendReceipt,
  receiptWithinMs: number,
): Ending {
  const chat = provider?.chat;
  // What answers on a chat name is the vendor's own id.
  const named = messageId ?? (chat && providerMessageId) ?? undefined;
  return {
    status: chat?.receipts ? 'accepted' : 'sent',
    providerMessageId,
    ...(named !== undefined && { messageId: named }),
    ...(chat?.receipts && { receiptDueAt: new Date(Date.now() + receiptWithinMs) }),
  };
}

/** As it was when the answer was written. */
function providerName({ message }: SendClaim): string {
  return (message.body as unknown as Message).channel; // writtenMessage made it
}

async function end(
  deps: Deps,
  tenantId: TenantId,
  claim: SendClaim,
  ending: Ending,
): Promise<Outcome> {
  const pending = new Pending(tenantId);
  const ended = await inTenant(deps.db, tenantId, async (tx) => {
    const done = await endSending(tx, claim.message.id, () => ending, claim.fence);
    if (!done) return false;
    const [message] = await presentMessages(tx, [done.message]);
    const [ticket] = await recordTicketEvents(tx, pending, [
      {
        ticket: done.ticket,
        events: [
          ending.status === 'sent' || ending.status === 'accepted'
            ? { type: 'message.sent', data: { message } }
            : { type: 'message.failed', data: { message, error: ending.error, uncertain: true } },
        ],
      },
    ]);
    await applyEarlyStatuses(tx, pending, done.message, ticket!);
    return true;
  });
  await deps.relay.flush(pending);
  if (!ended) return { status: 'ended' };
  if (ending.status === 'uncertain')
    messagesFailed.inc({ provider: providerName(claim), reason: 'uncertain' });
  return { status: ending.status === 'uncertain' ? 'uncertain' : 'sent' };
}

async function channelOf(
  deps: Deps,
  tenantId: TenantId,
  { message }: SendClaim,
): Promise<LoadedChannel> {
  const channel = await loadChannel(deps.db, deps.keys, tenantId, message.channel_id);
  if (channel) return channel;
  throw new ProviderFailure({
    code: 'channel.deleted',
    class: 'give_up',
    message: 'The channel that the answer was to leave by has been deleted; answer by another one.',
  });
}

async function callOf(
  deps: Deps,
  provider: ChannelProvider | undefined,
  channel: LoadedChannel,
  alive: SendSigns,
): Promise<ProviderCall<unknown>> {
  if (!provider?.sender)
    throw new ProviderFailure({
      code: 'channel.cannot_send',
      class: 'give_up',
      message: `A channel of provider "${channel.provider}" can't send; answer by another one.`,
    });
  return storedChannelCall(deps, provider, channel, {
    signal: Context.current().cancellationSignal,
    heartbeat: () => alive.show(),
  });
}

async function outgoing(
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

function holdOf({ message, fence }: SendClaim): { id: string; fence: number } {
  return { id: message.id, fence };
}

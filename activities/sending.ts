import { Context } from '@temporalio/activity';
import { storedChannelCall } from '../db/channel-call.ts';
import { markAnswered } from '../db/mark-read.ts';
import { noticingRefusals } from '../db/noticing-refusals.ts';
import { loadChannel, type LoadedChannel } from '../db/queries/channels.ts';
import {
  claimForSending,
  setSendPhase,
  type Ending,
  type SendClaim,
} from '../db/queries/send-claims.ts';
import { ProviderFailure } from '../domain/failure.ts';
import type { TenantId } from '../domain/ids.ts';
import type { Message } from '../domain/message.ts';
import type { ChannelProvider, ProviderCall, SendReceipt } from '../providers/contract.ts';
import { classified } from '../providers/classified.ts';
import { findProvider } from '../providers/registry.ts';
import { measuredCall } from '../telemetry/provider-calls.ts';
import { traced } from '../telemetry/trace.ts';
import type { SendingActivities } from '../workflows/contracts/ticket-activities.ts';
import type { Deps } from './deps.ts';
import { providerErrors } from './failures.ts';
import { heldFor, holdOn } from './held-sends.ts';
import { outgoing } from './outgoing-message.ts';
import type { ProviderOptions } from './provider-options.ts';
import { end, providerName, takenBy, UNCERTAIN, type Outcome } from './send-endings.ts';
import { SendSigns } from './send-signs.ts';

/** While nobody is asked, because the channel rests or was refused: soon after that is mended, the answer goes out. */
const HELD_AGAIN_MS = 60_000;
/** Where it is unknown whether it went out: time for it to show in the Sent folder. */
const DOUBT_DELAY_MS = 15_000;
/** A vendor that reports what arrives says something within moments; after this its silence is conspicuous. */
const RECEIPT_WITHIN_MS = 15 * 60_000;

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

function holdOf({ message, fence }: SendClaim): { id: string; fence: number } {
  return { id: message.id, fence };
}

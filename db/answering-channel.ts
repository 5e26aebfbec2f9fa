import type { Refusal } from '../domain/chat-answer.ts';
import type { TenantId } from '../domain/ids.ts';
import type { Message } from '../domain/message.ts';
import type { ChannelProvider } from '../providers/contract.ts';
import { wayOut, type WayOut } from '../providers/way-out.ts';
import type { KeyRing } from '../security/key-ring.ts';
import { mergeSecrets } from '../security/settings-secrets.ts';
import type { Tx } from './connection.ts';
import { openSecrets } from './queries/channels.ts';
import type { MessageRow } from './queries/messages.ts';
import {
  channelToReach,
  outgoingChannel,
  type OutgoingChannel,
} from './queries/outgoing-channel.ts';
import type { TicketRow } from './queries/tickets.ts';

/** What an answer says of where it leaves. */
export interface WayAsked {
  readonly account_id?: string | null;
  /** A provider. */
  readonly channel?: string | null;
  /** A message that it answers. */
  readonly in_reply_to?: string | null;
}

export interface AnsweringPlace {
  readonly tx: Tx;
  readonly tenantId: TenantId;
  readonly ticket: TicketRow;
  /** When it leaves. */
  readonly at: Date;
  /** Whether channels of this provider send. */
  readonly canSend: (provider: string) => boolean;
  /** Whether the channel's settings let anything be sent. */
  readonly wayOut: (channel: OutgoingChannel) => WayOut;
}

export interface ChannelPlace {
  readonly provider: string;
  readonly id: string;
}

/**
 * Where what is said on a ticket leaves unless told otherwise: as the message that it answers came or went (the customer's
 * latest, where none is named); and where that is no way, where the ticket began.
 */
export function usualChannels(
  { channel: provider, account_id: id }: Pick<TicketRow, 'channel' | 'account_id'>,
  answered: MessageRow | null,
): ChannelPlace[] {
  const own = { provider, id };
  if (answered === null || answered.channel_id === id) return [own];
  const { channel } = answered.body as unknown as Message; // the column's own form
  return [{ provider: channel, id: answered.channel_id }, own];
}

/**
 * The channel that an answer leaves by: the one it is told; of a provider that it is told the usual one, or where the
 * customer is reached best.
 * @param answered the message that it names, else the customer's latest
 */
export async function answeringChannel(
  place: AnsweringPlace,
  answered: MessageRow | null,
  asked: WayAsked,
): Promise<OutgoingChannel | Refusal> {
  const { tx, tenantId, ticket, at, canSend } = place;
  const { account_id: accountId, channel: provider } = asked;
  const ways = waysAsked(usualChannels(ticket, answered), asked);
  let found: OutgoingChannel | null = null;
  for (const id of ways) {
    const channel = await outgoingChannel(tx, tenantId, id);
    if (channel && canSend(channel.provider) && !channel.isStopped) {
      const way = place.wayOut(channel);
      if (way === 'open' || (way === 'none' && id === ways.at(-1))) return channel;
    }
    found ??= channel;
  }
  if (!accountId && provider)
    found = (await channelToReach(tx, tenantId, provider, ticket, at)) ?? found;
  if (found?.isStopped) return stopped(found);
  if (found && canSend(found.provider)) return switchedOff(found, place.wayOut(found)) ?? found;
  return noChannel(accountId ?? provider ?? found?.id ?? ways[0]!, found);
}

/** Ids of the channels to try first. An answer to a message that it names leaves by that one's channel, or not at all. */
function waysAsked(
  usual: readonly ChannelPlace[],
  { account_id: id, channel, in_reply_to: named }: WayAsked,
): string[] {
  if (id) return [id];
  const ways = named || channel ? usual.slice(0, 1) : usual;
  return ways.filter(({ provider }) => !channel || provider === channel).map((way) => way.id);
}

/** @param keys that the channels' secrets are sealed with */
export function wayOutBy(
  find: (provider: string) => ChannelProvider | undefined,
  keys: KeyRing,
): AnsweringPlace['wayOut'] {
  return (channel) => {
    const provider = find(channel.provider);
    if (!provider) return 'none';
    return wayOut(provider, mergeSecrets(channel.settings, openSecrets(channel, keys)));
  };
}

function switchedOff({ id, name }: OutgoingChannel, way: WayOut): Refusal | null {
  if (way === 'open' || way === 'none') return null;
  return {
    code: 'channel_off',
    detail: `Channel "${name}" is switched off: ${way.off} Turn it on (PATCH /v1/channels/${id}), or give another "account_id".`,
  };
}

function stopped({ id, name }: OutgoingChannel): Refusal {
  return {
    code: 'channel_stopped',
    detail: `Channel "${name}" is stopped: nothing goes out by it. Start it (POST /v1/channels/${id}/start), or give another "account_id".`,
  };
}

function noChannel(asked: string, found: OutgoingChannel | null): Refusal {
  return {
    code: 'no_channel',
    detail: found
      ? `Channel "${asked}" (${found.provider}) can't send; give an "account_id" of a channel that can.`
      : `There is no channel "${asked}" to send by any more; give an "account_id" of one that is there.`,
  };
}

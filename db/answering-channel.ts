import type { TenantId } from '../domain/ids.ts';
import type { Message } from '../domain/message.ts';
import type { Refusal } from '../domain/chat-answer.ts';
import type { Tx } from './connection.ts';
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
}

export interface AnsweringPlace {
  readonly tx: Tx;
  readonly tenantId: TenantId;
  readonly ticket: TicketRow;
  /** When it leaves. */
  readonly at: Date;
  /** Whether channels of this provider send. */
  readonly canSend: (provider: string) => boolean;
}

interface ChannelPlace {
  readonly provider: string;
  readonly id: string;
}

/**
 * The channel that an answer leaves by: the one it is told; of a provider that it is told the usual one, or where the
 * customer is reached best.
 */
export async function answeringChannel(
  place: AnsweringPlace,
  named: MessageRow | null,
  asked: WayAsked,
): Promise<OutgoingChannel | Refusal> {
  const usual = usualChannel(place.ticket, named);
  const channel = await wantedChannel(place, usual, asked);
  if (channel?.isStopped) return stopped(channel);
  if (channel && place.canSend(channel.provider)) return channel;
  return noChannel(asked.account_id ?? asked.channel ?? usual.id, channel);
}

/** Where an answer leaves unless told otherwise: as the message that it names came or went, else where the ticket began. */
function usualChannel(ticket: TicketRow, named: MessageRow | null): ChannelPlace {
  if (named === null) return { provider: ticket.channel, id: ticket.account_id };
  const { channel: provider } = named.body as unknown as Message; // the column's own form
  return { provider, id: named.channel_id };
}

function wantedChannel(
  { tx, tenantId, ticket, at }: AnsweringPlace,
  usual: ChannelPlace,
  { account_id: id, channel: provider }: WayAsked,
): Promise<(OutgoingChannel & { readonly isStopped?: boolean }) | null> {
  if (id) return outgoingChannel(tx, tenantId, id);
  return provider && provider !== usual.provider
    ? channelToReach(tx, tenantId, provider, ticket, at)
    : outgoingChannel(tx, tenantId, usual.id);
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

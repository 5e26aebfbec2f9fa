import type { Message } from '../domain/message.ts';
import type { MessageRow } from './queries/messages.ts';
import type { TicketRow } from './queries/tickets.ts';

/** A channel, by its provider and id. */
export interface ChannelPlace {
  readonly provider: string;
  readonly id: string;
}

/** Where an answer leaves unless told otherwise: as the message that it names came or went, else where the ticket began. */
export function usualChannel(ticket: TicketRow, named: MessageRow | null): ChannelPlace {
  if (named === null) return { provider: ticket.channel, id: ticket.account_id };
  const { channel: provider } = named.body as unknown as Message; // the column's own form
  return { provider, id: named.channel_id };
}

/** What it is told: a channel, or a provider, of which any running channel will do. */
export function wantedChannel(
  usual: ChannelPlace,
  told: { readonly account_id?: string | null; readonly channel?: string | null },
): { accountId: string } | { provider: string } {
  if (told.account_id) return { accountId: told.account_id };
  return told.channel && told.channel !== usual.provider
    ? { provider: told.channel }
    : { accountId: usual.id };
}

import { termsOf } from '../../db/chat-draft.ts';
import { inTenant, type Tx } from '../../db/connection.ts';
import {
  conversationsOfTickets,
  conversationsWith,
  latestChannels,
} from '../../db/queries/conversation-lists.ts';
import type { Conversation } from '../../domain/chat-answer.ts';
import { conversationState, type ConversationState } from '../../domain/conversation-state.ts';
import type { TenantId } from '../../domain/ids.ts';
import type { Message } from '../../domain/message.ts';
import type { Ticket } from '../../domain/ticket.ts';
import type { ChatCapability } from '../../providers/contract.ts';
import { findProvider } from '../../providers/registry.ts';
import type { ApiDeps } from '../deps.ts';

/**
 * Each with how things stand with its requester where an answer would leave, which is where the customer wrote last; null
 * where that is no chat, or nobody wrote on it yet.
 */
export async function ticketsWithConversation(
  deps: ApiDeps,
  tenantId: TenantId,
  tickets: readonly Ticket[],
): Promise<Ticket[]> {
  const latest = await inTenant(deps.db, tenantId, (tx) =>
    latestChannels(
      tx,
      tickets.map(({ id }) => id),
    ),
  );
  const talks = tickets.map((ticket) => ({ ...ticket, ...latest.get(ticket.id) }));
  const shown = await withConversation(deps, tenantId, talks, (tx, chats) =>
    conversationsOfTickets(
      tx,
      chats.map(({ id, account_id: channelId, requester }) => ({
        channelId,
        ticketId: id,
        requesterId: requester.id,
      })),
    ),
  );
  return tickets.map((ticket, place) => ({ ...ticket, conversation: shown[place]!.conversation }));
}

/** The same of whoever each message was exchanged with. */
export function messagesWithConversation(
  deps: ApiDeps,
  tenantId: TenantId,
  messages: readonly Message[],
): Promise<Message[]> {
  return withConversation(deps, tenantId, messages, (tx, chats) =>
    conversationsWith(
      tx,
      chats.map(({ account_id: channelId, direction, sender, to }) => ({
        channelId,
        address: (direction === 'inbound' ? sender?.address : to[0]?.address) ?? '',
      })),
    ),
  );
}

/** One query for all of them; none where none is of a chat. */
async function withConversation<
  Item extends { readonly id: string; readonly channel: string; readonly account_id: string },
>(
  { db }: ApiDeps,
  tenantId: TenantId,
  items: readonly Item[],
  find: (tx: Tx, chats: readonly Item[]) => Promise<(Conversation | null)[]>,
): Promise<(Item & { readonly conversation: ConversationState | null })[]> {
  const chats = items.filter((item) => chatOf(item) !== undefined);
  const found = chats.length === 0 ? [] : await inTenant(db, tenantId, (tx) => find(tx, chats));
  const byId = new Map(chats.map(({ id }, place) => [id, found[place] ?? null]));
  const now = new Date();
  return items.map((item) => {
    const [chat, talk] = [chatOf(item), byId.get(item.id)];
    const isTalk = chat !== undefined && talk != null;
    return {
      ...item,
      conversation: isTalk ? conversationState(item.account_id, talk, termsOf(chat), now) : null,
    };
  });
}

function chatOf({ channel }: { readonly channel: string }): ChatCapability<unknown> | undefined {
  return findProvider(channel)?.chat;
}

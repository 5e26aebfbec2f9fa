import { termsOf } from '../../db/chat-draft.ts';
import { inTenant, type Tx } from '../../db/connection.ts';
import { partyAt, partyOfTicket, type Party } from '../../db/queries/chat-outgoing.ts';
import { conversationState, type ConversationState } from '../../domain/conversation-state.ts';
import type { TenantId } from '../../domain/ids.ts';
import type { Message } from '../../domain/message.ts';
import type { Ticket } from '../../domain/ticket.ts';
import { findProvider } from '../../providers/registry.ts';
import type { ApiDeps } from '../deps.ts';

/** How things stand with a ticket's requester on its channel; null where that is no chat, or nobody wrote on it yet. */
export function ticketConversation(
  deps: ApiDeps,
  tenantId: TenantId,
  { id, channel, account_id: channelId, requester }: Ticket,
): Promise<ConversationState | null> {
  const ticket = { id, requester_id: requester.id };
  return state(deps, tenantId, { provider: channel, channelId }, (tx) =>
    partyOfTicket(tx, channelId, ticket),
  );
}

/** The same of whoever a message was exchanged with. */
export function messageConversation(
  deps: ApiDeps,
  tenantId: TenantId,
  { channel, account_id: channelId, direction, sender, to }: Message,
): Promise<ConversationState | null> {
  const address = direction === 'inbound' ? sender?.address : to[0]?.address;
  return state(deps, tenantId, { provider: channel, channelId }, async (tx) =>
    address === undefined ? null : partyAt(tx, channelId, address),
  );
}

async function state(
  { db }: ApiDeps,
  tenantId: TenantId,
  { provider, channelId }: { provider: string; channelId: string },
  find: (tx: Tx) => Promise<Party | null>,
): Promise<ConversationState | null> {
  const chat = findProvider(provider)?.chat;
  if (!chat) return null;
  const party = await inTenant(db, tenantId, find);
  return party && conversationState(channelId, party, termsOf(chat), new Date());
}

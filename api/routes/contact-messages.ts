import { z } from 'zod';
import { termsOf } from '../../db/chat-draft.ts';
import { inTenant } from '../../db/connection.ts';
import { conversationsOf, type Conversation } from '../../db/queries/conversations.ts';
import { listMessages, talksOfContact, type Talk } from '../../db/queries/inbox.ts';
import {
  ChatLimits,
  conversationState,
  ConversationState,
} from '../../domain/conversation-state.ts';
import { Direction, Message, MessageChannel } from '../../domain/message.ts';
import { findProvider } from '../../providers/registry.ts';
import { ProviderName } from '../channels/name.ts';
import { currentContact } from '../contacts.ts';
import { page, pageOf, pageQuery, placeInTime, readCursor } from '../page.ts';
import { route, type AnyRoute } from '../route.ts';
import { shownMessages } from '../shown-messages.ts';

const tags = ['Contacts'];
const params = z.object({ id: z.string() });

const ContactConversation = z
  .object({
    ...ConversationState.shape,
    address: z.string().meta({ description: 'The contact’s, on this channel.' }),
    window_open: z.boolean().meta({ description: 'Free text may be sent now; on mail always.' }),
    limits: ChatLimits.nullable().meta({ description: 'Null on mail.' }),
    account_name: z.string(),
    channel: MessageChannel,
    ticket_id: z.string().nullable().meta({ description: 'Of the latest message.' }),
    opted_out_at: z.iso.datetime().nullable(),
    last_message: Message.nullable(),
  })
  .meta({ id: 'ContactConversation' });

export const contactMessageRoutes: readonly AnyRoute[] = [
  route({
    method: 'get',
    path: '/v1/contacts/{id}/messages',
    summary: 'One person’s messages over all channels, newest first',
    description:
      'All of their own tickets, those of others’ tickets that they wrote or got, and what belongs to no ticket.',
    tags,
    scope: 'messages:read',
    params,
    query: z.object({
      ...pageQuery,
      channel: ProviderName.optional().meta({ description: 'A provider’s name.' }),
      account_id: z.string().optional().meta({ description: 'A channel.' }),
      direction: Direction.optional(),
      order: z
        .enum(['asc', 'desc'])
        .default('desc')
        .meta({ description: '`asc`: as a conversation is read, oldest first.' }),
    }),
    response: pageOf(Message),
    handler: async ({ deps, tenantId, params, query: { limit, cursor, order, ...filter } }) => {
      const after = readCursor(cursor, placeInTime);
      const contactId = await currentContact(deps, tenantId, params.id);
      const rows = await listMessages(
        deps.db,
        tenantId,
        { ...filter, contact_id: contactId },
        { after, limit: limit + 1, order },
      );
      const shown = page(
        rows,
        limit,
        (message) => message,
        ({ timestamp, id }) => [timestamp, id],
      );
      return { ...shown, data: await shownMessages(deps, tenantId, shown.data) };
    },
  }),
  route({
    method: 'get',
    path: '/v1/contacts/{id}/conversations',
    summary: 'Where a person talks with us, the latest first',
    description:
      'One for each of their addresses on each channel, with what may be sent there now.',
    tags,
    scope: 'messages:read',
    params,
    response: z.object({
      data: z.array(ContactConversation),
      next_cursor: z.null().meta({ description: 'There are few enough for one page.' }),
    }),
    handler: async ({ deps, tenantId, params }) => {
      const contactId = await currentContact(deps, tenantId, params.id);
      const [talks, chats] = await inTenant(deps.db, tenantId, async (tx) => [
        await talksOfContact(tx, tenantId, contactId),
        await conversationsOf(tx, contactId),
      ]);
      const now = new Date();
      const shown = talks.map((talk) => show(talk, chatOf(talk, chats), now));
      return { data: shown, next_cursor: null };
    },
  }),
];

function chatOf(talk: Talk, chats: readonly Conversation[]): Conversation | null {
  const same = (one: Conversation) =>
    one.channelId === talk.channelId && one.address === talk.address;
  return chats.find(same) ?? null;
}

function show(
  { channelId, accountName, provider, address, lastMessage }: Talk,
  chat: Conversation | null,
  now: Date,
): z.output<typeof ContactConversation> {
  const capability = findProvider(provider)?.chat;
  const talk = chat ?? { address, windowEndsAt: null, lastInboundAt: null, optedOutAt: null };
  return {
    ...(capability
      ? conversationState(channelId, talk, termsOf(capability), now)
      : { ...ON_MAIL, channel_id: channelId, address }),
    account_name: accountName,
    channel: MessageChannel.parse(provider),
    ticket_id: chat?.ticketId ?? lastMessage?.ticket_id ?? null,
    opted_out_at: talk.optedOutAt?.toISOString() ?? null,
    last_message: lastMessage,
  };
}

/** Anything may be written at any time. */
const ON_MAIL = {
  window_ends_at: null,
  window_open: true,
  templates_only: false,
  tags: [],
  opted_out: false,
  has_templates: false,
  limits: null,
};

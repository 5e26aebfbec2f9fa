import { inTenant } from '../db/connection.ts';
import { quotedMessages } from '../db/queries/quoted-messages.ts';
import type { TenantId } from '../domain/ids.ts';
import type { Message } from '../domain/message.ts';
import { findProvider } from '../providers/registry.ts';
import { messagesWithConversation } from './channels/conversation.ts';
import type { ApiDeps } from './deps.ts';

/** Of what is quoted, so much is shown. */
const QUOTED_CHARACTERS = 300;

/** Messages with what a chat's are shown beside: how things stand with the customer, and what they quote. */
export async function shownMessages(
  deps: ApiDeps,
  tenantId: TenantId,
  messages: readonly Message[],
): Promise<Message[]> {
  const shown = await messagesWithConversation(deps, tenantId, messages);
  const chats = shown.filter(({ channel }) => findProvider(channel)?.chat !== undefined);
  const quotes = chats.flatMap(({ id, account_id: channelId, direction, sender, to, ...rest }) => {
    const [named] = rest.in_reply_to;
    const address = direction === 'inbound' ? sender?.address : to[0]?.address;
    return named && address ? [{ id, channelId, address, named }] : [];
  });
  const found =
    quotes.length === 0
      ? []
      : await inTenant(deps.db, tenantId, (tx) => quotedMessages(tx, quotes));
  const byId = new Map(quotes.map(({ id }, place) => [id, found[place] ?? null]));
  return shown.map((message) => ({ ...message, quoted: quotedPart(byId.get(message.id)) }));
}

function quotedPart(message: Message | null | undefined): Message['quoted'] {
  if (!message) return null;
  const { id, direction, sender, timestamp, content, attachments } = message;
  const characters = Array.from(content);
  const start = characters.slice(0, QUOTED_CHARACTERS).join('');
  return {
    id,
    direction,
    sender,
    timestamp,
    content: characters.length > QUOTED_CHARACTERS ? `${start}…` : start,
    attachments,
  };
}

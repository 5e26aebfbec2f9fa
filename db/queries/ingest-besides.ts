import type { ChatIndex } from './chat-index.ts';
import { keepFiltered } from './filtered.ts';
import { mayWait, type IngestContext } from './ingest-context.ts';
import { takeEchoes } from './ingest-echoes.ts';
import type { Item } from './ingest-item.ts';
import { takeReactions } from './ingest-reactions.ts';

/** A chat's source that is no word of a customer's: a mark on a message, or what was sent beside us. */
export function isBesides({ chat, mail }: Item): boolean {
  return chat !== undefined && (chat.reaction !== null || mail.message.direction === 'outbound');
}

/**
 * Takes in reactions and echoes. One that speaks of what is not here yet stays staged for a while, and is looked at again
 * by the next syncs. Returns how many messages are new.
 */
export async function takeBesides(
  context: IngestContext,
  items: readonly Item[],
  chats: ChatIndex,
): Promise<number> {
  const echoes = items.filter(({ chat }) => chat!.reaction === null);
  const reactions = items.filter(({ chat }) => chat!.reaction !== null);
  const stored = await takeEchoes(context, echoes, chats);
  const unmatched = await takeReactions(context, reactions, chats);
  const late = unmatched.filter((item) => !mayWait(item, context.now));
  await keepFiltered(
    context.tx,
    context.channel,
    late.map((item) => ({
      item,
      filtered: { by: 'door', detail: 'It is a reaction to a message that is not here.' },
    })),
  );
  return stored;
}

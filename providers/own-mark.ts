// What goes along with each message on a channel that carries something there and back: with its echo, or with what the
// vendor says of it.

const PREFIX = 'postroom';

/** Names the message by our own ids. */
export function ownMark({ id, messageId }: { id: string; messageId: string }): string {
  return `${PREFIX}:${id}:${messageId}`;
}

/** Our id of the message that a mark names; null where it is none of ours. */
export function markedMessage(mark: string | undefined): string | null {
  return /^postroom:(msg_[A-Za-z0-9]+):/.exec(mark ?? '')?.[1] ?? null;
}

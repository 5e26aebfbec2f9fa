// What goes along with each message we send, and comes back with its echo.

const PREFIX = 'postroom';

/** Names the message by our own ids. */
export function ownMark({ id, messageId }: { id: string; messageId: string }): string {
  return `${PREFIX}:${id}:${messageId}`;
}

/** Our id of the message that an echo repeats; null where it is none of ours. */
export function markedMessage(metadata: string | undefined): string | null {
  return /^postroom:(msg_[A-Za-z0-9]+):/.exec(metadata ?? '')?.[1] ?? null;
}

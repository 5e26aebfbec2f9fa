import type { MessageChannel, MessagePriority } from '../message.ts';
import type { MailContext } from './parse.ts';

/** What was known of a source when it was stored, beside its bytes. */
export interface SourceNotes {
  /** Only the headers were fetched, of a mail of `size` bytes. */
  readonly oversize?: boolean;
  readonly size?: number;
  /** The door's word on its urgency. */
  readonly priority?: MessagePriority;
  /** An admin let it in: no rule turns it away. */
  readonly released?: boolean;
}

/** A stored source, its bytes apart. */
export interface SourceFacts {
  readonly received_at: Date;
  readonly envelope: { readonly from: string | null; readonly to: readonly string[] } | null;
  readonly meta: SourceNotes | null;
}

/** The channel that a mail came by. */
export interface SourceChannel {
  readonly provider: string;
  /** As stored; secrets aren't wanted. */
  readonly settings: unknown;
}

/** What is known of a mail beside its bytes. */
export function mailContext(
  { received_at: receivedAt, envelope, meta }: SourceFacts,
  { provider, settings }: SourceChannel,
): MailContext {
  return {
    receivedAt,
    channel: provider as MessageChannel, // only mail's channels stage mail
    trustedServers: trustedServers(settings),
    ...(envelope ? { envelope: { from: envelope.from, to: [...envelope.to] } } : {}),
    ...(meta?.oversize ? { oversize: { size: meta.size ?? null } } : {}),
    ...(meta?.priority ? { priority: meta.priority } : {}),
  };
}

/** Whose Authentication-Results count, as the channel's settings say. */
function trustedServers(settings: unknown): string[] {
  const named = (settings as { trusted_servers?: unknown } | null)?.trusted_servers;
  return Array.isArray(named) ? named.map((server) => String(server).toLowerCase()) : [];
}

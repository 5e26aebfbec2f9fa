import type { ChatMessage } from '../domain/chat.ts';
import type { ChannelProvider, ChatCapability, SourceMapper } from './contract.ts';

/** A provider whose stored sources are a chat's. */
export type ChatProvider = ChannelProvider & {
  readonly chat: ChatCapability<unknown>;
  readonly manifest: { readonly source: SourceMapper };
};

export function isChat(provider: ChannelProvider | undefined): provider is ChatProvider {
  return provider?.chat !== undefined && typeof provider.manifest.source === 'function';
}

/** A stored source, its bytes apart. */
interface StoredSource {
  readonly received_at: Date;
  readonly meta: object | null;
}

/** @throws what the mapper throws: the source's own fault */
export function readChat(
  { manifest }: ChatProvider,
  { received_at: receivedAt, meta }: StoredSource,
  bytes: Buffer,
): ChatMessage {
  return manifest.source(bytes, { ...meta, receivedAt });
}

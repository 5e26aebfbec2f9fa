import type { Readable } from 'node:stream';
import type { ProviderCall } from './call.ts';

/** A mailbox is a folder (or several) read by a cursor that only the provider understands. */
export interface MailboxCapability<Settings> {
  /** The folders (or feeds) to read, each with a cursor of its own. */
  readonly folders: (settings: Settings) => readonly string[];
  /**
   * New mail since the cursor, oldest first, in batches. The core stores a batch and moves the cursor in one
   * transaction, then calls `stored` (leave, mark seen, move, delete), then asks for the next batch.
   * Re-reading from an older cursor is always safe.
   * @throws ProviderFailure classified.
   */
  readonly fetch: (
    call: ProviderCall<Settings>,
    folder: string,
    cursor: unknown,
  ) => AsyncIterable<FetchedBatch>;
  /** Waits until there may be new mail (`mail`) or `untilMs` passed (`timeout`); heartbeats. IDLE, or polling where a server has none. */
  readonly wait?: (
    call: ProviderCall<Settings>,
    folder: string,
    cursor: unknown,
    untilMs: number,
  ) => Promise<'mail' | 'timeout'>;
  /**
   * Push subscriptions that expire: Gmail's watch, Graph's subscription. Makes or renews it; `call.watch` is what it
   * kept last time. Null where the settings want none.
   */
  readonly renew?: SubscriptionCapability<Settings>['renew'];
  /** Ends the subscription at the vendor: the channel stops, is deleted, or its account changes. Without effect where it is gone. */
  readonly release?: SubscriptionCapability<Settings>['release'];
  /** Whether a mail of ours is in the Sent folder; null where that can't be asked. */
  readonly findSent?: (call: ProviderCall<Settings>, messageId: string) => Promise<boolean | null>;
}

/** What the vendor is asked to push, and how it is ended. */
export interface SubscriptionCapability<Settings> {
  readonly renew: (
    call: ProviderCall<Settings>,
  ) => Promise<{ expiresAt: Date; state: unknown } | null>;
  readonly release: (call: ProviderCall<Settings>) => Promise<void>;
}

export interface FetchedBatch {
  readonly items: readonly FetchedItem[];
  readonly cursor: unknown;
  /** Of a first import: how far it is. */
  readonly progress?: { readonly done: number; readonly total: number };
  readonly stored?: () => Promise<void>;
}

export interface FetchedItem {
  /** The provider's own id, unique within the channel for ever: `INBOX/<uidvalidity>/<uid>`. */
  readonly providerMessageId: string;
  readonly source: Buffer | Readable;
  /** When the provider received it. */
  readonly receivedAt: Date;
  readonly meta?: Readonly<Record<string, unknown>>;
}

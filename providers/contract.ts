import type { Readable } from 'node:stream';
import type { z } from 'zod';
import type { ChannelId, TenantId } from '../domain/ids.ts';
import type { NormalizedMessage } from '../domain/message.ts';
import type { GuardedNetwork } from '../security/ssrf-guard.ts';
import type { Logger } from '../telemetry/log.ts';

/**
 * What a provider is: one folder, one value of this type, one line in registry.ts. What it can do is told by which
 * capabilities it has; the core asks for a capability and never for a name.
 */
export interface ChannelProvider<Settings = unknown> {
  readonly manifest: ProviderManifest<Settings>;
  /** Tries the credentials. Never throws for a refusal: it reports it. */
  readonly validate?: (call: ProviderCall<Settings>) => Promise<ValidationReport>;
  /** A mailbox that is read from: IMAP, POP3, Gmail, Graph. */
  readonly mailbox?: MailboxCapability<Settings>;
  /** A door that the outside calls over HTTP. */
  readonly door?: DoorCapability<Settings>;
  /** Sends an answer. */
  readonly sender?: SenderCapability<Settings>;
}

export interface ProviderManifest<Settings = unknown> {
  /** As in the API: `imap`. Also the name of its task queue and of its ingress route. */
  readonly name: string;
  readonly title: string;
  /** Names that callers of older systems use: `outlook`. */
  readonly aliases?: readonly string[];
  readonly settings: z.ZodType<Settings>;
  /** Paths into settings that are sealed at rest and never returned: `password`, `smtp.password`. */
  readonly secrets: readonly string[];
  /** Environment names for a single-account installation, each with the settings path it fills. */
  readonly environment?: Readonly<Record<string, string>>;
  /** The address mail reaches this channel under, where the settings tell it. */
  readonly addressOf?: (settings: Settings) => string | null;
  /** What an admin should know, though it is allowed: a password that travels in plain. */
  readonly warnings?: (settings: Settings) => readonly string[];
  /** How a stored source is read: `mime` sources go through the one mail parser. */
  readonly source: 'mime' | SourceMapper;
}

/** Turns a stored non-mail source into a normalized message; pure, so that stored sources can be run again. */
export type SourceMapper = (source: Buffer, meta: SourceMeta) => NormalizedMessage;

export interface SourceMeta {
  readonly receivedAt: Date;
  readonly [key: string]: unknown;
}

/** What every capability is given: unsealed settings of one channel, and the ways out of the process. */
export interface ProviderCall<Settings> {
  readonly channel: ChannelFacts;
  readonly settings: Settings;
  /** The only way to reach a host that a user named. */
  readonly network: GuardedNetwork;
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Says that the work goes on; throws when it was cancelled. */
  readonly heartbeat: (progress?: unknown) => void;
  /** Per request, in milliseconds. */
  readonly timeoutMs: number;
  /** Largest mail taken whole, in bytes; of a larger one only the headers, with `meta.oversize`. Default 50 MiB. */
  readonly maxBytes?: number;
}

export interface ChannelFacts {
  readonly id: ChannelId;
  readonly tenantId: TenantId;
  readonly name: string;
  readonly address: string | null;
  /** An import "from now" begins here; without it, at the first look. */
  readonly createdAt?: Date;
}

export interface ValidationReport {
  readonly ok: boolean;
  readonly problems: readonly ValidationProblem[];
  readonly warnings: readonly string[];
}

export interface ValidationProblem {
  /** Which step failed: `host`, `port`, `tls`, `login`, `folder`, `permission`, `settings`. */
  readonly step: string;
  /** Plain words: what is wrong and how to mend it. */
  readonly detail: string;
  /** JSON pointer of the setting to look at: `/settings/password`. */
  readonly pointer?: string;
}

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
  /** Push subscriptions that expire: Gmail's watch, Graph's subscription. Returns the new expiry. */
  readonly renew?: (
    call: ProviderCall<Settings>,
    state: unknown,
  ) => Promise<{ expiresAt: Date; state: unknown }>;
  /** Whether a mail of ours is in the Sent folder; null where that can't be asked. */
  readonly findSent?: (call: ProviderCall<Settings>, messageId: string) => Promise<boolean | null>;
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

/** A webhook of the vendor's: verified over the raw body before anything reads it. */
export interface DoorCapability<Settings> {
  /** Bounds of a call, in bytes; the installation's own limit applies too. */
  readonly maxBytes?: number;
  /** @throws DoorRefusal where the call is not authentic or stale. */
  readonly verify: (
    request: DoorRequest,
    settings: Settings,
    tokenMatches: (token: string) => boolean,
  ) => void | Promise<void>;
  /** What an authentic call brings. A call may bring nothing (a ping) or answer with a body (a handshake). */
  readonly receive: (
    request: DoorRequest,
    settings: Settings,
    call: ProviderCall<Settings>,
  ) => Promise<DoorReceipt>;
}

export interface DoorRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly query: Readonly<Record<string, string>>;
  /** The whole body, as it came. */
  readonly body: Buffer;
  readonly receivedAt: Date;
}

export interface DoorReceipt {
  readonly sources: readonly {
    readonly source: Buffer;
    readonly providerMessageId: string | null;
    readonly receivedAt?: Date;
    readonly envelope?: { from: string | null; to: string[] };
    readonly meta?: Readonly<Record<string, unknown>>;
  }[];
  /** Things the vendor says of what we sent. */
  readonly statuses?: readonly {
    providerMessageId: string;
    status: 'sent' | 'delivered' | 'read' | 'failed' | 'bounced' | 'complained';
    detail?: string;
    at: Date;
  }[];
  /** Answered as it is, where the vendor wants its own answer. */
  readonly answer?: { status: number; body: string; contentType: string };
}

/** A call that is not let in; counted, and answered without a reason that helps a forger. */
export class DoorRefusal extends Error {
  override name = 'DoorRefusal';
  readonly status: 400 | 401 | 403 | 413;
  readonly code: string;
  constructor(status: 400 | 401 | 403 | 413, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export interface SenderCapability<Settings> {
  /**
   * Hands one message to the outside. Calls `transmitting` right before the point after which a crash leaves it
   * unknown whether the message went out, and not earlier.
   * @throws ProviderFailure; `uncertain: true` where the answer to the transmission never came.
   */
  readonly send: (
    call: ProviderCall<Settings>,
    message: OutgoingMessage,
    transmitting: () => Promise<void>,
  ) => Promise<SendReceipt>;
}

/** An answer as the core hands it over; a mail provider builds MIME with domain/mail/compose. */
export interface OutgoingMessage {
  readonly id: string;
  /** Our own Message-ID, without brackets; the same at every attempt. */
  readonly messageId: string;
  readonly from: { name: string; address: string };
  readonly replyTo: string | null;
  readonly to: readonly { name: string; address: string }[];
  readonly cc: readonly { name: string; address: string }[];
  readonly subject: string;
  readonly text: string;
  readonly html: string | null;
  /** Message-ID answered, and the chain before it, oldest first; without brackets. */
  readonly inReplyTo: string | null;
  readonly references: readonly string[];
  readonly attachments: readonly {
    filename: string;
    contentType: string;
    size: number;
    content: () => Readable;
    contentId?: string | null;
    inline?: boolean;
  }[];
  /** True for what no person wrote: carries Auto-Submitted. */
  readonly automatic: boolean;
  readonly ticketNumber: number | null;
}

export interface SendReceipt {
  /** The channel's own id of what was sent, where it gives one. */
  readonly providerMessageId: string | null;
  /** What the server answered, shortened; for the log of the send. */
  readonly response?: string;
  readonly rejected?: readonly string[];
}

import type { Readable } from 'node:stream';
import type { z } from 'zod';
import type { AccountHealth } from '../domain/account-health.ts';
import type { ChannelId, TenantId } from '../domain/ids.ts';
import type {
  ChatMessage,
  ConversationFacts,
  Interactive,
  MediaReference,
} from '../domain/chat.ts';
import type {
  ChosenTemplate,
  MessageTemplate,
  TemplateLimits,
} from '../domain/message-template.ts';
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
  /** A door whose caller is told at once what became of its mail. */
  readonly realTime?: RealTimeDoor<Settings>;
  /** Sends an answer. */
  readonly sender?: SenderCapability<Settings>;
  /** People at numbers or page-scoped ids, where mail has addresses. */
  readonly chat?: ChatCapability<Settings>;
  /** An admin connects an account by the vendor's own consent page (OAuth 2.0 with PKCE). */
  readonly consent?: ConsentCapability<Settings>;
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
  /**
   * Those of the settings in `environment` that name the installation's own app at the vendor (`client_id`): a channel
   * that names none of its own uses it, and by themselves they make no channel.
   */
  readonly app?: readonly string[];
  /**
   * Settings that hold, whatever the channel says, where it uses the installation's app: an app with rights of its own
   * must not lend them to every tenant.
   */
  readonly appTerms?: Readonly<Record<string, unknown>>;
  /** The address mail reaches this channel under, where the settings tell it. */
  readonly addressOf?: (settings: Settings) => string | null;
  /** The vendor's own name of the account, by which calls at the vendor's shared door find the channel. */
  readonly accountOf?: (settings: Settings, address: string | null) => string | null;
  /** Why nothing comes in or goes out by the channel, where its settings say so; null where they don't. */
  readonly off?: (settings: Settings) => string | null;
  /** What an admin should know, though it is allowed: a password that travels in plain. */
  readonly warnings?: (settings: Settings) => readonly string[];
  /** How a stored source is read: `mime` sources go through the one mail parser. */
  readonly source: 'mime' | SourceMapper;
}

/** Reads a stored source that is no mail; pure, so that stored sources can be run again. */
export type SourceMapper = (source: Buffer, meta: SourceMeta) => ChatMessage;

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
  /** Which of these provider message ids the channel has stored already. Left out where nothing is stored. */
  readonly known?: (providerMessageIds: readonly string[]) => Promise<ReadonlySet<string>>;
  /**
   * Settings, without secrets and as they were written, of other channels that read the same account: some vendors have
   * one push subscription for all of them. Left out where nothing is stored.
   */
  readonly sharers?: () => Promise<readonly unknown[]>;
  /** Tokens of the channel's account, sealed at rest and shared by all workers. */
  readonly tokens: AccountTokens;
  /** What all workers together may ask of the account. */
  readonly limits: AccountLimits;
  /**
   * Waits until the account's next message may leave, over all workers, right before it does. Left out where the vendor
   * names no pace, or nothing is stored. @throws ProviderFailure `wait` where that is long
   */
  readonly turn?: () => Promise<void>;
  /** What the last `renew` kept: the state of the vendor's push subscription. */
  readonly watch: unknown;
  /** Where the vendor reaches this channel's door from outside; null where no public address is set. */
  readonly doorUrl: string | null;
}

/** OAuth tokens of one channel: kept, renewed ahead of their end, by one caller at a time over all processes. */
export interface AccountTokens {
  /**
   * An access token that is good for at least another minute. Where there is none, one caller runs `obtain` and all
   * others get what it brought. @throws what `obtain` throws
   */
  readonly access: (obtain: (kept: KeptTokens) => Promise<ObtainedTokens>) => Promise<string>;
  /** Forgets an access token that the vendor refused, unless another has taken its place already. */
  readonly refuse: (accessToken: string) => Promise<void>;
}

export interface KeptTokens {
  /** From the consent, or the newest one that a renewal brought; null where there never was one. */
  readonly refreshToken: string | null;
}

export interface ObtainedTokens {
  readonly accessToken: string;
  readonly expiresAt: Date;
  /** Where the vendor gave a new one in place of the last. */
  readonly refreshToken?: string;
}

export interface AccountLimits {
  /** Runs `work` when fewer than `most` of this account's run, over all processes. */
  readonly slot: <T>(most: number, work: () => Promise<T>) => Promise<T>;
  /** Nobody asks this account before then: what a Retry-After said. `slot` waits it out, or throws `wait` where it is long. */
  readonly pause: (until: Date) => Promise<void>;
}

/** The vendor's consent page, and what comes back from it (RFC 6749 §4.1, RFC 7636). */
export interface ConsentCapability<Settings> {
  /** Where the admin is sent. `state` and `codeChallenge` (S256) are ours; the scopes are the least that do. */
  readonly authorizationUrl: (
    settings: Settings,
    request: { redirectUri: string; state: string; codeChallenge: string; address: string | null },
  ) => string;
  /** Trades the code for tokens. @throws ProviderFailure */
  readonly exchange: (
    call: ProviderCall<Settings>,
    answer: { code: string; codeVerifier: string; redirectUri: string },
  ) => Promise<ObtainedTokens & { address: string | null; scopes: readonly string[] }>;
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
  /** What the vendor tells of the account, in plain words. */
  readonly facts?: readonly string[];
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

/** A webhook of the vendor's: verified over the raw body before anything reads it. */
export interface DoorCapability<Settings> {
  /** Bounds of a call, in bytes; the installation's own limit applies too. */
  readonly maxBytes?: number;
  /**
   * Where a vendor calls one address for all its accounts (`/ingress/<provider>`): the accounts, or groups of them (see
   * `keys`), that a call claims to speak of. Each is verified with its own channel's settings before it is believed.
   */
  readonly accounts?: (request: DoorRequest) => readonly string[];
  /** How calls are told that name no account of ours: without it, those are refused. Wanted with `accounts`. */
  readonly keys?: DoorKeys<Settings>;
  /**
   * Parts of a call that can't be read and name no account, as they came: they are counted and, but for a hash in the log,
   * lost. What names an account is that channel's own: see `unreadable` of a receipt's source.
   */
  readonly strays?: (request: DoorRequest) => readonly unknown[];
  /** The shared door's name where several providers have it in common: `meta`. Default the provider's own. */
  readonly sharedAs?: string;
  /** @throws DoorRefusal where the call is not authentic or stale. */
  readonly verify: (
    request: DoorRequest,
    call: ProviderCall<Settings>,
    tokenMatches: (token: string) => boolean,
  ) => void | Promise<void>;
  /** What an authentic call brings. A call may bring nothing (a ping) or answer with a body (a handshake). */
  readonly receive: (request: DoorRequest, call: ProviderCall<Settings>) => Promise<DoorReceipt>;
  /** Where the vendor calls the door only as long as it is asked to: as a mailbox's `renew` and `release`. */
  readonly subscription?: SubscriptionCapability<Settings>;
}

/**
 * What proves a call at a shared door that names no account of ours: a handshake, news of an account that was given up.
 * Keyed hashes of it are kept with each channel, so that the one that waits for a word is found among any number, and of
 * those that share what signs only one is asked. The call is then held against that channel's settings by `verify`.
 */
export interface DoorKeys<Settings> {
  /** The word that the call brings, as a handshake does; null where it is proven by how it is signed. */
  readonly wordIn: (request: DoorRequest) => string | null;
  /**
   * Of a channel: the word that it waits for, and what its calls are signed with, or by whom. `group`: what its account
   * belongs to at the vendor together with others, where calls name that in place of all of them; kept as it is.
   */
  readonly of: (settings: Settings) => {
    readonly word?: string;
    readonly signer?: string;
    readonly group?: string;
  };
}

export interface DoorRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly query: Readonly<Record<string, string>>;
  /** The whole body, as it came. */
  readonly body: Buffer;
  readonly receivedAt: Date;
}

/** What differs from mail in a channel where people are talked with at a number or a page-scoped id. */
export interface ChatCapability<Settings> {
  /** After the customer's latest message free text may be sent for so long, in milliseconds. */
  readonly windowMs: (settings: Settings) => number;
  /** What an answer may hold; told to whoever writes it before it is sent. */
  readonly limits: {
    /** Characters of a text. */
    readonly text: number;
    readonly attachments: number;
    readonly interactive: readonly Interactive['type'][];
  };
  /** What else it wouldn't take, in plain words; null where it would. Asked before an answer is queued. */
  readonly unfit?: (answer: {
    readonly text: string;
    readonly attachments: number;
    readonly interactive: Interactive | null;
    readonly hasTemplate: boolean;
  }) => string | null;
  /** People at such addresses may be written to before they wrote. Left out where the vendor itself gives addresses, to who writes. */
  readonly firstContact?: 'phone';
  /** The vendor reports what arrived: a message without any report after a while is conspicuous. */
  readonly receipts: boolean;
  /** Tags under which the vendor lets an answer be sent after the window, each with how long, in milliseconds. */
  readonly tags?: Readonly<Record<string, number>>;
  /** Fetches a file, streamed. @throws ProviderFailure: `give_up` where it is gone for good */
  readonly fetchMedia: (
    call: ProviderCall<Settings>,
    media: MediaReference,
  ) => Promise<{ readonly content: Readable; readonly contentType: string | null }>;
  /** Shows the customer that it was read. */
  readonly markRead?: (
    call: ProviderCall<Settings>,
    message: { readonly providerMessageId: string; readonly address: string },
  ) => Promise<void>;
  /** Whether the vendor can reach this person; null where it doesn't say. */
  readonly checkAddress?: (
    call: ProviderCall<Settings>,
    address: string,
  ) => Promise<boolean | null>;
  /** Name and the like, where the vendor tells. */
  readonly profile?: (
    call: ProviderCall<Settings>,
    address: string,
  ) => Promise<{ readonly name: string } | null>;
  /** All templates of the account. */
  readonly templates?: (call: ProviderCall<Settings>) => AsyncIterable<MessageTemplate>;
  /** What is taken in a template's places; checked before an answer is queued or set for a time. */
  readonly templateLimits?: TemplateLimits;
  /** How the number or page stands with the vendor, where that tells; read once a day. @throws ProviderFailure */
  readonly health?: (call: ProviderCall<Settings>) => Promise<AccountHealth>;
  /** How fast it may send, where the vendor says so: messages wait for their turn. */
  readonly pace?: SendingPace;
}

export interface SendingPace {
  /** Messages of the account in a second, unless its health says otherwise. */
  readonly perSecond: number;
  /** To one customer: one in so many milliseconds, of which so many may come at once and are made up for afterwards. */
  readonly perCustomer?: { readonly everyMs: number; readonly burst: number };
}

export interface DoorReceipt {
  readonly sources: readonly {
    readonly source: Buffer;
    /** Unique within the channel for ever: a repeat is one receipt. Of a chat the vendor's own id, by which it is quoted. */
    readonly providerMessageId: string | null;
    readonly receivedAt?: Date;
    readonly envelope?: { from: string | null; to: string[] };
    readonly meta?: Readonly<Record<string, unknown>>;
    /** Why the channel's settings turn it away, in plain words: it is kept in the journal and goes no further. */
    readonly turnedAway?: string;
    /** It is counted; the mapper throws at it, so that it is set aside with its reason. */
    readonly unreadable?: true;
  }[];
  /** Things the vendor says of what we sent. */
  readonly statuses?: readonly DeliveryStatus[];
  /** The call says only that there is news. */
  readonly news?: News;
  /** Answered as it is, where the vendor wants its own answer. */
  readonly answer?: { status: number; body: string; contentType: string };
}

/** `mail` to be fetched, a `watch` to be made anew, or what is read of the `account` now and then: templates, health. */
export type News = 'mail' | 'watch' | 'account';

/** What became of a message of ours, as the vendor says; applied whatever order such calls come in. */
export interface DeliveryStatus {
  /**
   * The id that `SendReceipt` gave, or our own Message-ID; or, where the vendor tells by a mark in time, all that was
   * sent to this person until then. `sentAs`: our own id (`msg_…`), where the channel carried it there and back: by it a
   * message is known whose receipt was lost.
   */
  readonly of:
    | { readonly providerMessageId: string; readonly sentAs?: string }
    | { readonly messageId: string }
    | { readonly sentTo: string; readonly until: Date };
  readonly status: 'sent' | 'delivered' | 'read' | 'failed' | 'bounced' | 'complained';
  /** The address it speaks of, where a message has several. */
  readonly recipient?: string;
  /** Why, as the provider's failures are called: `whatsapp.undeliverable`. */
  readonly code?: string;
  readonly detail?: string;
  readonly at: Date;
}

/** A call that is not let in; counted, and answered without a reason that helps a forger. */
export class DoorRefusal extends Error {
  override name = 'DoorRefusal';
  readonly status: 400 | 401 | 403 | 406 | 413;
  readonly code: string;
  constructor(status: 400 | 401 | 403 | 406 | 413, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/**
 * A door at one address for all channels: the caller's bearer token names the channel, and its mail is ingested within
 * the call, as far as that is done in time.
 */
export interface RealTimeDoor<Settings> {
  /** Under `/ingress/`. */
  readonly name: string;
  /** Other whole paths that lead to it: `/webhooks/email`. */
  readonly aliases?: readonly string[];
  /** One mail, whose token was right. @throws UnreadableCall */
  readonly receive: (
    request: DoorRequest,
    call: ProviderCall<Settings>,
  ) => Promise<DoorReceipt['sources'][number]>;
  /** The answer's words, as JSON. */
  readonly conclude: (outcome: SourceOutcome) => { status: number; body: object };
}

/** What became of one source. */
export type SourceOutcome =
  | {
      readonly state: 'processed';
      readonly messageId: string;
      readonly ticket: { readonly id: string; readonly number: number } | null;
      /** What the mail did: `none` is kept without a ticket. */
      readonly effect: 'created' | 'joined' | 'reopened' | 'none';
    }
  /** Turned away by the channel's settings or rules, and kept in the journal. */
  | { readonly state: 'filtered' }
  /** Stored; what becomes of it is not decided yet. */
  | { readonly state: 'accepted'; readonly sourceId: string }
  /** It could not be processed; an admin can try it again. */
  | { readonly state: 'set_aside'; readonly sourceId: string };

/** An authentic call that makes no sense: its fields, by JSON pointer, with what each wants. */
export class UnreadableCall extends Error {
  override name = 'UnreadableCall';
  readonly fields: readonly { readonly pointer: string; readonly message: string }[];
  constructor(
    message: string,
    fields: readonly { readonly pointer: string; readonly message: string }[],
  ) {
    super(message);
    this.fields = fields;
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
  /** Whether the settings name a way out at all; left out where they always do. Without one the product writes nothing of its own. */
  readonly hasWayOut?: (settings: Settings) => boolean;
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
  /** Only where the channel is a chat. */
  readonly chat?: OutgoingChat;
}

/** What only a chat's answer has. */
export interface OutgoingChat {
  readonly conversation: ConversationFacts;
  /** The vendor's id of the message that is quoted. */
  readonly quotes: string | null;
  readonly template: ChosenTemplate | null;
  readonly interactive: Interactive | null;
  /** Under which it is sent after the window. */
  readonly tag: string | null;
}

export interface SendReceipt {
  /** The channel's own id of what was sent, where it gives one. */
  readonly providerMessageId: string | null;
  /** The Message-ID that the outside put in place of ours, without brackets: answers will name it. */
  readonly messageId?: string;
  /** What the server answered, shortened; for the log of the send. */
  readonly response?: string;
  readonly rejected?: readonly string[];
}

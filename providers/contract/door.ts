import type { ProviderCall } from './call.ts';
import type { SubscriptionCapability } from './mailbox.ts';

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

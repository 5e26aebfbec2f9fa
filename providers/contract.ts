import type { z } from 'zod';
import type { ChatMessage } from '../domain/chat.ts';
import type { ProviderCall } from './contract/call.ts';
import type { ConsentCapability } from './contract/consent.ts';
import type { MailboxCapability } from './contract/mailbox.ts';
import type { DoorCapability } from './contract/door.ts';
import type { RealTimeDoor } from './contract/real-time-door.ts';
import type { ChatCapability } from './contract/chat.ts';
import type { SenderCapability } from './contract/sender.ts';

export type * from './contract/call.ts';
export type * from './contract/consent.ts';
export type * from './contract/mailbox.ts';
export * from './contract/door.ts';
export * from './contract/real-time-door.ts';
export type * from './contract/chat.ts';
export type * from './contract/sender.ts';

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

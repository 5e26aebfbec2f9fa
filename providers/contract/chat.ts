import type { Readable } from 'node:stream';
import type { AccountHealth } from '../../domain/account-health.ts';
import type { Interactive, MediaReference } from '../../domain/chat.ts';
import type { MessageTemplate, TemplateLimits } from '../../domain/message-template.ts';
import type { ProviderCall } from './call.ts';

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

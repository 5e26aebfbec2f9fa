import type {
  DoorReceipt,
  DoorRequest,
  OutgoingMessage,
  ProviderCall,
} from '../../../../providers/contract.ts';
import type { Prerequisite } from '../../../harness/missing.ts';

/**
 * How a provider's outside is reached in the contract's suite: a server, a simulator, a maker of authentic calls.
 * `outsides/<provider>.ts` exports one as `outside`, with a part for each capability the provider has. Each part is
 * started once for its tests and closed after them.
 */
export interface Outside {
  readonly sender?: () => Promise<SenderOutside>;
  readonly mailbox?: () => Promise<MailboxOutside>;
  readonly door?: () => Promise<DoorOutside>;
  readonly chat?: () => Promise<ChatOutside>;
  /** What must be installed for the mailbox's outside to run. */
  readonly needs?: Prerequisite;
}

/** Settings of a channel, before its schema parsed them, and what else its calls carry (tokens, limits …). */
export interface OutsideChannel {
  readonly settings: object;
  readonly call?: Partial<ProviderCall<never>>;
}

interface Closing {
  readonly close: () => Promise<void>;
}

/**
 * What goes wrong with the next send: the mail is `refused` for good, the outside is too `busy` (421, 429 …), the
 * connection is `lost` before anything was sent, or the `answer_lost` after the mail was taken.
 */
export type SendFault = 'refused' | 'busy' | 'lost' | 'answer_lost';

export interface SenderOutside extends Closing, OutsideChannel {
  /** What reached the outside since the start, each as it came: raw MIME, or the body of an API call. */
  readonly sent: () => readonly (string | Buffer)[];
  readonly failNext: (fault: SendFault) => void;
  /**
   * What a lost answer leaves: `uncertain`, the caller can't know; or `settled`, where the vendor's API lets the
   * provider find out by itself, so that sending again sends nothing twice.
   */
  readonly afterLostAnswer: 'uncertain' | 'settled';
  /** Where an API can't carry all of it: what is sent instead of the suite's own answer with an attachment. */
  readonly message?: OutgoingMessage;
}

export interface MailboxOutside extends Closing {
  /** A fresh, empty account, whose settings make small batches (two mails to four) and take all its mail. */
  readonly account: () => Promise<MailboxAccount> | MailboxAccount;
}

export interface MailboxAccount extends OutsideChannel {
  readonly deliver: (raw: string) => Promise<void> | void;
  /** The same account with credentials that the outside refuses. */
  readonly refused: OutsideChannel;
}

export interface DoorOutside extends Closing, OutsideChannel {
  /** The door's own token, where the provider uses it. */
  readonly token?: string;
  /** An authentic call that brings this mail. */
  readonly authentic: (raw: Buffer) => Promise<DoorRequest> | DoorRequest;
  /** Calls that must not be let in, each by what is wrong with it. */
  readonly forged: (
    raw: Buffer,
  ) => Promise<Readonly<Record<string, DoorRequest>>> | Readonly<Record<string, DoorRequest>>;
  /** What the authentic call brings: the sources' bytes, or what it says of news. */
  readonly brings: (raw: Buffer) => {
    readonly sources: readonly (string | Buffer)[];
    readonly news?: DoorReceipt['news'];
  };
}

/** Somebody who writes to the channel, and what its vendor makes of it. */
export interface ChatOutside extends Closing, OutsideChannel {
  /** The customer's address, as the channel's conversations are named. */
  readonly customer: string;
  /** The call of the door that tells what the customer wrote. */
  readonly writes: (words: {
    readonly text?: string;
    /** A picture, in PNG. */
    readonly file?: Buffer;
    /** The vendor's id of the message it answers. */
    readonly quotes?: string;
  }) => Promise<DoorRequest>;
  /** The call that tells what the business wrote to the customer beside us. */
  readonly besides: (text: string) => Promise<DoorRequest>;
  /** The next request is answered with a limit, or its connection is lost. */
  readonly failNext: (fault: 'busy' | 'lost') => void;
  /** All files are gone for good. */
  readonly forgetFiles: () => void;
  /** How often the customer was shown that something was read. */
  readonly marked: () => number;
}

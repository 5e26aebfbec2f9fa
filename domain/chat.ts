import type { NormalizedMessage } from './message.ts';

// What a chat has that mail has not: a person at a number or a page-scoped id, a window in which free text may be sent,
// files that lie at the vendor's, reactions, and messages that were sent beside us.

/** What a chat's stored source says, before its files are fetched. */
export interface ChatMessage {
  /** `direction: 'outbound'` for what was sent beside us (an echo); its attachments are empty. */
  readonly message: NormalizedMessage;
  /** Who it is talked with, never ourselves. */
  readonly party: ChatParty;
  /** The vendor's ids of the messages it answers (quotes), nearest first; what was sent is found by the same ids. */
  readonly answers: readonly string[];
  /** Files it carries, in order. */
  readonly media: readonly MediaReference[];
  /** The customer wrote: the window for free text begins anew at the message's time. */
  readonly opensWindow: boolean;
  /** Of an echo: our own id of the message (`msg_…`), where the channel carried it there and back. */
  readonly sentAs?: string;
  /** It is only a mark on another message: it begins no ticket and asks for no answer. An empty emoji takes it back. */
  readonly reaction?: { readonly to: string; readonly emoji: string };
  /** What could not be read, in plain words. */
  readonly notes: readonly string[];
}

export interface ChatParty {
  /** E.164 with its plus, or the page-scoped id: the key of the conversation within its channel. */
  readonly address: string;
  /** As the vendor shows it; empty where it doesn't. */
  readonly name: string;
}

/** A file at the vendor's: by its id, or by a link that ends. */
export interface MediaReference {
  readonly id: string | null;
  readonly url: string | null;
  /** As the vendor names it; null where it has no name. */
  readonly filename: string | null;
  /** As the vendor claims it; the stored one is told from the bytes. */
  readonly contentType: string | null;
  /** Hex, as the vendor claims it. */
  readonly sha256: string | null;
  /** A sticker or voice note is shown in place. */
  readonly inline: boolean;
}

/** What a chat message offers to choose from; each channel takes what it can and names what it can't. */
export type Interactive =
  | {
      readonly type: 'buttons';
      readonly buttons: readonly { readonly id: string; readonly title: string }[];
    }
  | {
      readonly type: 'list';
      /** What opens the list. */
      readonly button: string;
      readonly sections: readonly {
        readonly title: string;
        readonly rows: readonly {
          readonly id: string;
          readonly title: string;
          readonly description?: string;
        }[];
      }[];
    }
  | {
      readonly type: 'quick_replies';
      readonly replies: readonly { readonly id: string; readonly title: string }[];
    };

/** Of one person's conversation with one channel. */
export interface ConversationFacts {
  readonly address: string;
  /** Until when free text may be sent; null where the customer has never written. */
  readonly windowEndsAt: Date | null;
  /** The customer asked for silence. */
  readonly optedOutAt: Date | null;
}

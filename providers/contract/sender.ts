import type { Readable } from 'node:stream';
import type { ConversationFacts, Interactive } from '../../domain/chat.ts';
import type { ChosenTemplate } from '../../domain/message-template.ts';
import type { ProviderCall } from './call.ts';

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

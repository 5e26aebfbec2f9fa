import type { ProviderCall } from './call.ts';
import type { DoorReceipt, DoorRequest } from './door.ts';

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

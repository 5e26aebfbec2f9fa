/** One way into and out of the product, seen from the vendor's end. */
export interface DemoDoor {
  /** As in the table: `Gmail push`. */
  readonly title: string;
  readonly provider: string;
  /** The channel's own address at the vendor. */
  readonly address: string;
  /** Starts the vendor's end. @throws SkippedDoor where a part is not installed */
  readonly open: () => Promise<OpenDoor>;
}

export interface OpenDoor {
  readonly settings: object;
  /** The vendor is told where the channel's door is. */
  connect(ingressUrl: string): Promise<void> | void;
  /** Somebody's mail comes in at the vendor. */
  deliver(raw: Buffer): Promise<void>;
  /** The same once more: the mail, or the call that brought it. */
  repeat(raw: Buffer): Promise<void>;
  /**
   * Calls like the vendor's with something of it changed. Returns the status of each, by what was changed; null where
   * nothing calls us: we ask.
   */
  tamper(): Promise<Readonly<Record<string, number>>> | null;
  /** What left by this door, as the vendor puts it on its way, oldest first. */
  sent(): readonly Buffer[];
  /** The vendor says that what was sent last bounced: by a report of its own, or null where a mail says it. */
  readonly reportBounce: (() => Promise<void>) | null;
  /** Requests that the vendor's own description does not allow. */
  violations(): readonly string[];
  close(): Promise<void>;
}

/** A door that can't be shown here, and why, in plain words. */
export class SkippedDoor extends Error {
  override name = 'SkippedDoor';
}

import { messageIdsIn, readHeader } from './headers.ts';

export interface StoredMessage {
  readonly id: string;
  readonly threadId: string;
  readonly labels: Set<string>;
  raw: Buffer;
  readonly internalDate: number;
  historyId: bigint;
}

/** As Gmail's History resource has it. */
export interface Change {
  readonly id: bigint;
  readonly kind: 'messageAdded' | 'messageDeleted' | 'labelAdded' | 'labelRemoved';
  readonly messageId: string;
  readonly threadId: string;
  /** Of an added message those it came with, else those added or removed. */
  readonly labelIds: readonly string[];
}

export interface Delivery {
  readonly labels?: readonly string[];
  readonly at?: Date;
  /** Any 16 hexadecimal digits; default one that grows with time, as Gmail's do. */
  readonly id?: string;
  readonly threadId?: string;
}

const SYSTEM_LABELS = ['INBOX', 'SENT', 'DRAFT', 'SPAM', 'TRASH', 'CHAT', 'UNREAD', 'STARRED', 'IMPORTANT', 'CATEGORY_PERSONAL']; // prettier-ignore

/** One account's mail: messages, threads, labels, and the history of its changes. */
export class Mailbox {
  readonly address: string;
  readonly labels = new Map<string, string>(SYSTEM_LABELS.map((name) => [name, name]));
  readonly #messages = new Map<string, StoredMessage>();
  readonly #changes: Change[] = [];
  readonly #onChange: (mailbox: Mailbox, labelIds: readonly string[]) => void;
  #historyId = 1_000_000n;
  #oldestHistory = 1_000_000n;
  #lastId = BigInt(Date.now()) << 20n;

  constructor(
    address: string,
    onChange: (mailbox: Mailbox, labelIds: readonly string[]) => void = () => {},
  ) {
    this.address = address;
    this.#onChange = onChange;
  }

  get historyId(): bigint {
    return this.#historyId;
  }

  /** Newest first, as Gmail lists them. */
  get messages(): StoredMessage[] {
    return [...this.#messages.values()].sort(
      (a, b) => b.internalDate - a.internalDate || (a.id < b.id ? 1 : -1),
    );
  }

  find(id: string): StoredMessage | undefined {
    return this.#messages.get(id);
  }

  /** The bytes of what the account sent, oldest first. */
  get sent(): Buffer[] {
    const sent = [...this.#messages.values()].filter(({ labels }) => labels.has('SENT'));
    return sent.map(({ raw }) => raw);
  }

  /** A mail comes in, or is put there. */
  deliver(raw: string | Buffer, delivery: Delivery = {}): StoredMessage {
    const bytes = Buffer.from(raw);
    const id = delivery.id ?? this.#nextId();
    const labels = delivery.labels ?? ['INBOX', 'UNREAD', 'CATEGORY_PERSONAL'];
    const message: StoredMessage = {
      id,
      threadId: delivery.threadId ?? this.#threadOf(bytes) ?? id,
      labels: new Set(labels),
      raw: bytes,
      internalDate: (delivery.at ?? new Date()).getTime(),
      historyId: 0n,
    };
    this.#messages.set(id, message);
    this.#note(message, 'messageAdded', labels);
    return message;
  }

  label(id: string, add: readonly string[], remove: readonly string[] = []): void {
    const message = this.#messages.get(id)!;
    const added = add.filter((label) => !message.labels.has(label));
    const removed = remove.filter((label) => message.labels.has(label));
    for (const label of added) message.labels.add(label);
    for (const label of removed) message.labels.delete(label);
    if (added.length > 0) this.#note(message, 'labelAdded', added);
    if (removed.length > 0) this.#note(message, 'labelRemoved', removed);
  }

  delete(id: string): void {
    const message = this.#messages.get(id)!;
    this.#messages.delete(id);
    this.#note(message, 'messageDeleted', []);
  }

  /** @returns the label's id */
  addLabel(name: string): string {
    const id = `Label_${this.labels.size}`;
    this.labels.set(id, name);
    return id;
  }

  /** Changes after that id; null where Gmail no longer knows it. */
  changesSince(historyId: bigint): Change[] | null {
    if (historyId < this.#oldestHistory || historyId > this.#historyId) return null;
    return this.#changes.filter(({ id }) => id > historyId);
  }

  /** Gmail forgets all history up to now. */
  expireHistory(): void {
    this.#historyId += 1n;
    this.#oldestHistory = this.#historyId;
    this.#changes.length = 0;
  }

  #note(message: StoredMessage, kind: Change['kind'], labelIds: readonly string[]): void {
    this.#historyId += BigInt(1 + Math.floor(Math.random() * 20)); // ids grow, with gaps
    message.historyId = this.#historyId;
    const { id: messageId, threadId } = message;
    this.#changes.push({ id: this.#historyId, kind, messageId, threadId, labelIds });
    this.#onChange(this, [...message.labels, ...labelIds]);
  }

  #nextId(): string {
    this.#lastId += BigInt(1 + Math.floor(Math.random() * 1000));
    return this.#lastId.toString(16).padStart(16, '0');
  }

  /** The thread of a mail that this one answers. */
  #threadOf(raw: Buffer): string | null {
    const answered = [...messageIdsIn(raw, 'references'), ...messageIdsIn(raw, 'in-reply-to')];
    if (answered.length === 0) return null;
    for (const { raw: other, threadId } of this.#messages.values()) {
      const id = readHeader(other, 'message-id')?.replace(/[<>\s]/g, '');
      if (id !== undefined && answered.includes(id)) return threadId;
    }
    return null;
  }
}

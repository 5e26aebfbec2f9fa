import { randomBytes, randomUUID } from 'node:crypto';

export interface SimFolder {
  readonly id: string;
  readonly displayName: string;
  /** As in `/mailFolders/inbox`. */
  readonly wellKnown: string | null;
  readonly parentId: string | null;
}

export interface SimAttachment {
  readonly id: string;
  readonly name: string;
  readonly contentType: string;
  readonly content: Buffer;
  readonly isInline: boolean;
  readonly contentId: string | null;
}

export interface SimMessage {
  /** Stays when the message is moved. */
  readonly immutableId: string;
  /** Changes when the message is moved. */
  id: string;
  folderId: string;
  isDraft: boolean;
  isRead: boolean;
  internetMessageId: string;
  receivedDateTime: string;
  /** MIME as it came, without what was attached afterwards. */
  mime: Buffer;
  attachments: SimAttachment[];
  /** The item is damaged: its MIME can't be made. */
  isBroken?: boolean;
}

interface Change {
  readonly folderId: string;
  readonly immutableId: string;
  readonly id: string;
  readonly kind: 'created' | 'updated' | 'deleted';
}

const WELL_KNOWN = {
  inbox: 'Inbox',
  drafts: 'Drafts',
  sentitems: 'Sent Items',
  deleteditems: 'Deleted Items',
  junkemail: 'Junk Email',
  archive: 'Archive',
} as const;

/** One account's folders and messages, with all that changed in them. */
export class SimMailbox {
  readonly address: string;
  readonly userId = randomUUID();
  readonly folders: SimFolder[] = [];
  readonly messages = new Map<string, SimMessage>();
  readonly changes: Change[] = [];
  /** What left this mailbox, oldest first, as it went out. */
  readonly sent: { id: string; raw: Buffer; at: Date }[] = [];
  /** Requests served right now. */
  running = 0;
  mostRunning = 0;

  constructor(address: string) {
    this.address = address;
    for (const [wellKnown, displayName] of Object.entries(WELL_KNOWN))
      this.addFolder(displayName, { wellKnown });
  }

  addFolder(
    displayName: string,
    {
      wellKnown = null,
      parentId = null,
    }: { wellKnown?: string | null; parentId?: string | null } = {},
  ): SimFolder {
    const folder = { id: newItemId('F'), displayName, wellKnown, parentId };
    this.folders.push(folder);
    return folder;
  }

  /** By id or well-known name. */
  folder(name: string): SimFolder | undefined {
    return this.folders.find(
      ({ id, wellKnown }) => id === name || wellKnown === name.toLowerCase(),
    );
  }

  /** By either kind of id, which are case-sensitive. */
  message(id: string): SimMessage | undefined {
    return (
      this.messages.get(id) ?? [...this.messages.values()].find((message) => message.id === id)
    );
  }

  add(
    folder: string,
    mime: Buffer,
    { isDraft = false, receivedAt = new Date() }: { isDraft?: boolean; receivedAt?: Date } = {},
  ): SimMessage {
    const immutableId = newItemId('I');
    const message: SimMessage = {
      immutableId,
      id: newItemId('R'),
      folderId: this.folder(folder)!.id,
      isDraft,
      isRead: false,
      internetMessageId: messageIdOf(mime) ?? `<${randomUUID()}@graph.simulator>`,
      // Seconds are all that Exchange tells.
      receivedDateTime: receivedAt.toISOString().replace(/\.\d+/, ''),
      mime,
      attachments: [],
    };
    this.messages.set(immutableId, message);
    this.#note(message, 'created');
    return message;
  }

  touch(message: SimMessage): void {
    message.isRead = !message.isRead;
    this.#note(message, 'updated');
  }

  move(message: SimMessage, folder: string): void {
    this.#note(message, 'deleted');
    message.folderId = this.folder(folder)!.id;
    message.id = newItemId('R');
    this.#note(message, 'created');
  }

  remove(message: SimMessage): void {
    this.#note(message, 'deleted');
    this.messages.delete(message.immutableId);
  }

  #note({ folderId, immutableId, id }: SimMessage, kind: Change['kind']): void {
    this.changes.push({ folderId, immutableId, id, kind });
  }
}

/** Ids as long, and as full of signs that a path must escape, as the vendor's. */
function newItemId(kind: string): string {
  return `AAMkA${kind}${randomBytes(75).toString('base64url')}_=`;
}

/** As Outlook counts: what is shown within the text is none. */
export function hasAttachments({ mime, attachments }: SimMessage): boolean {
  return (
    attachments.some(({ isInline }) => !isInline) ||
    /^content-disposition:\s*attachment/im.test(mime.toString('latin1'))
  );
}

/** The sum of its properties, about: attachments count as what they are, and not in base64. */
export function sizeOf({ mime, attachments }: SimMessage): number {
  return mime.length + attachments.reduce((sum, { content }) => sum + content.length, 0);
}

export function headerOf(mime: Buffer, name: string): string | null {
  const head = mime.toString('latin1').split(/\r?\n\r?\n/, 1)[0]!;
  const found = new RegExp(`^${name}:[ \\t]*((?:.*(?:\\r?\\n[ \\t]+.*)*))`, 'im').exec(head);
  return found ? found[1]!.replace(/\r?\n[ \t]+/g, ' ').trim() : null;
}

function messageIdOf(mime: Buffer): string | null {
  return headerOf(mime, 'message-id');
}

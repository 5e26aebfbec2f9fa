import type { ImapFlow } from 'imapflow';
import type { OutgoingMessage } from '../contract.ts';
import { composeMail } from '../submission.ts';
import { connect, leave, openFolder, searchUids, type ImapCall } from './client.ts';

const DRAFT = '\\Draft';

/**
 * An answer's copy in the Sent folder. It is put there, flagged as a draft, before the mail's end is sent, and
 * confirmed after the server took the mail. So whoever asks after a crash learns: no copy, it was not sent; a
 * confirmed one, it was; a draft, it can't be known. No failure here fails the sending.
 */
export class SentCopy {
  readonly #client: ImapFlow;
  readonly #call: ImapCall;
  readonly #messageId: string;

  private constructor(client: ImapFlow, call: ImapCall, messageId: string) {
    this.#client = client;
    this.#call = call;
    this.#messageId = messageId;
  }

  /** Null where the settings want none, or where none could be put. */
  static async reserve(call: ImapCall, message: OutgoingMessage): Promise<SentCopy | null> {
    if (!call.settings.save_sent) return null;
    let client: ImapFlow | undefined;
    try {
      client = await connect(call);
      const folder = await sentFolder(client, call);
      if (folder === null) {
        call.log.warn('the mail server marks no Sent folder: set sent_folder to keep copies');
        await leave(client);
        return null;
      }
      const copy = new SentCopy(client, call, message.messageId);
      const content = await composeMail(message).build();
      await openFolder(client, call, folder, 'write');
      if (!(await client.append(folder, content, [DRAFT, '\\Seen'])))
        throw new Error('the server refuses the copy');
      return copy;
    } catch (error) {
      client?.close();
      warn(call, error, 'no copy could be put into the Sent folder');
      return null;
    }
  }

  /** The mail went out. Copies left by earlier attempts at it go. */
  async confirm(): Promise<void> {
    await this.#finally('the copy in the Sent folder stays a draft', async (uids) => {
      const newest = String(uids.at(-1));
      await this.#client.messageFlagsRemove(newest, [DRAFT], { uid: true });
      await this.#drop(uids.slice(0, -1));
    });
  }

  /** The mail did not go out, for certain. */
  async withdraw(): Promise<void> {
    await this.#finally('the copy in the Sent folder stays, though nothing was sent', (uids) =>
      this.#drop(uids),
    );
  }

  /** It is not known whether the mail went out: the draft stays and says so. */
  async abandon(): Promise<void> {
    await leave(this.#client);
  }

  async #finally(otherwise: string, work: (uids: number[]) => Promise<void>): Promise<void> {
    try {
      await work(await copiesOf(this.#client, this.#messageId));
      await leave(this.#client);
    } catch (error) {
      this.#client.close();
      warn(this.#call, error, otherwise);
    }
  }

  async #drop(uids: readonly number[]): Promise<void> {
    if (uids.length > 0 && this.#client.capabilities.has('UIDPLUS'))
      await this.#client.messageDelete(uids.join(','), { uid: true });
    else if (uids.length > 0)
      await this.#client.messageFlagsAdd(uids.join(','), ['\\Deleted'], { uid: true });
  }
}

/**
 * Whether a mail of ours went out, as the Sent folder tells; null where it can't be known. Servers that save what
 * they send show it there, too. @throws ProviderFailure
 */
export async function findSent(call: ImapCall, messageId: string): Promise<boolean | null> {
  const client = await connect(call);
  try {
    const folder = await sentFolder(client, call);
    if (folder === null) return null;
    await openFolder(client, call, folder, 'read');
    const uids = await copiesOf(client, messageId);
    if (uids.length === 0) return false;
    for await (const mail of client.fetch(uids.join(','), { flags: true }, { uid: true }))
      if (!mail.flags?.has(DRAFT)) return true;
    return null;
  } finally {
    await leave(client);
  }
}

function copiesOf(client: ImapFlow, messageId: string): Promise<number[]> {
  return searchUids(client, { header: { 'message-id': `<${messageId}>` }, deleted: false });
}

async function sentFolder(client: ImapFlow, call: ImapCall): Promise<string | null> {
  if (call.settings.sent_folder !== undefined) return call.settings.sent_folder;
  return (await client.list()).find((folder) => folder.specialUse === '\\Sent')?.path ?? null;
}

function warn(call: ImapCall, error: unknown, message: string): void {
  call.log.warn({ channel: call.channel.id, err: error }, message);
}

import type { ImapFlow } from 'imapflow';
import { openFolder, searchUids, withConnection, type ImapCall } from './client.ts';
import { sequenceSet } from './sequence-set.ts';

/**
 * What is done on the server with mails once they are stored: nothing, marked seen, moved or deleted. What a crash
 * left undone stands in the cursor and is done at the next look; doing it twice has no effect.
 */
export class Settlement {
  readonly #client: ImapFlow;
  readonly #call: ImapCall;
  readonly #folder: string;
  readonly #open = new Set<number>();
  #hasSettled = false;

  constructor(client: ImapFlow, call: ImapCall, folder: string) {
    this.#client = client;
    this.#call = call;
    this.#folder = folder;
  }

  /** UIDs stored or about to be, and not yet settled; undefined where there is none. */
  open(): number[] | undefined {
    return this.#open.size > 0 ? [...this.#open] : undefined;
  }

  /** Whether something was settled that a cursor given out still calls open. */
  get hasSettled(): boolean {
    return this.#hasSettled;
  }

  async resume(uids: readonly number[] | undefined): Promise<void> {
    if (!uids || this.#call.settings.after === 'leave') return;
    await settle(this.#client, this.#call, uids);
    this.#hasSettled = true;
  }

  /** What to call when these mails are stored; undefined where they are left as they are. */
  begin(uids: readonly number[]): (() => Promise<void>) | undefined {
    if (this.#call.settings.after === 'leave' || uids.length === 0) return undefined;
    for (const uid of uids) this.#open.add(uid);
    return async () => {
      await this.#settleSomehow(uids);
      for (const uid of uids) this.#open.delete(uid);
      this.#hasSettled = true;
    };
  }

  /** Storing may have taken longer than the server waits: then by a connection of its own. */
  async #settleSomehow(uids: readonly number[]): Promise<void> {
    if (this.#client.usable) return settle(this.#client, this.#call, uids);
    await withConnection(this.#call, async (client) => {
      await openFolder(client, this.#call, this.#folder, 'write');
      await settle(client, this.#call, uids);
    });
  }
}

async function settle(client: ImapFlow, call: ImapCall, uids: readonly number[]): Promise<void> {
  const { after, move_to } = call.settings;
  const range = sequenceSet(uids);
  if (after === 'seen')
    await confirmed(client.messageFlagsAdd(range, ['\\Seen'], BY_UID), 'mark mails as seen');
  else if (after === 'move') await move(client, range, move_to!);
  else if (after === 'delete') await remove(client, range);
}

async function move(client: ImapFlow, range: string, to: string): Promise<void> {
  const doing = `move mails to "${to}"`;
  if (client.capabilities.has('MOVE'))
    return confirmed(client.messageMove(range, to, BY_UID), doing);
  // Those copied by an earlier try are marked deleted, and are not copied twice.
  const left = await searchUids(client, { uid: range, deleted: false });
  if (left.length === 0) return;
  await confirmed(client.messageCopy(sequenceSet(left), to, BY_UID), doing);
  await remove(client, sequenceSet(left));
}

/** Without UIDPLUS an EXPUNGE would take what others have marked, too: marked is enough then. */
function remove(client: ImapFlow, range: string): Promise<void> {
  return client.capabilities.has('UIDPLUS')
    ? confirmed(client.messageDelete(range, BY_UID), 'delete mails')
    : confirmed(client.messageFlagsAdd(range, ['\\Deleted'], BY_UID), 'mark mails as deleted');
}

const BY_UID = { uid: true };

/** imapflow answers false where a server said no. */
async function confirmed(command: Promise<unknown>, doing: string): Promise<void> {
  if ((await command) === false) throw new Error(`The server refuses to ${doing}`);
}

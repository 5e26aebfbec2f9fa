import type { FetchedBatch, FetchedItem } from '../contract.ts';
import { withHeartbeats } from '../heartbeats.ts';
import { DEFAULT_MAX_BYTES, type Pop3Call } from './client.ts';
import {
  accountOf,
  NOTHING,
  recognized,
  summaryOf,
  type Looked,
  type Pop3Cursor,
} from './cursor.ts';
import { datesOf } from './dates.ts';
import { listMails, type ListedMail } from './listing.ts';
import { itemOf, messageIdOf, readHeaders, readWhole } from './read.ts';
import { Pop3Lost, type Pop3Session } from './session.ts';

/** Bound of what one batch holds in memory; a mail larger than this is a batch of its own. */
const BATCH_BYTES = 16 * 1024 * 1024;
/** After so many mails that are too old to be wanted the cursor is kept. */
const SKIPPED_AT_MOST = 1000;
/** Deletions are lost when a session breaks off: it is ended, and they committed, after so many. */
const DELETED_AT_MOST = 500;
/**
 * A mail at which the connection breaks so often is looked at last; and taken without its content, where others were
 * read meanwhile: else it is the server that is at fault, and not the mail.
 */
const TRIES = 3;
/** Ids asked of the store at a time. */
const ASKED_AT_ONCE = 1000;

/** What a look at one mail found: an item, or that it is older than what is wanted. */
type Found = { readonly item: FetchedItem; readonly isWhole: boolean } | 'too_old';

/** The reading of a mailbox over as many sessions as it takes. */
export class Reading {
  readonly #call: Pop3Call;
  readonly #account: string;
  readonly #since: Date;
  readonly #isFirstLook: boolean;
  #looked: Looked;
  #walk: Pop3Cursor['walk'];
  #stuck: Pop3Cursor['stuck'];
  /** Ids stored whole, not yet deleted for certain; and those among them marked in this session. */
  readonly #unsettled: Set<string>;
  readonly #marked = new Set<string>();
  /** Fingerprints looked at since this reading began. */
  readonly #lookedHere = new Set<string>();
  #listing: readonly ListedMail[] = [];
  #isLooked: boolean[] = [];
  #said: string;
  #expectsOld = true;
  #hasReadWhole = false;
  /** How often the session broke off since a mail was looked at. */
  #breaks = 0;
  #isDone = false;

  constructor(call: Pop3Call, kept: Pop3Cursor | null) {
    this.#call = call;
    this.#account = accountOf(call.settings);
    const own = kept?.account === this.#account ? kept : null;
    if (kept && !own) call.log.warn('another account: the mailbox is walked from its beginning');
    this.#isFirstLook = own === null;
    this.#since = kept ? new Date(kept.since) : importSince(call);
    this.#looked = own?.looked ?? NOTHING;
    this.#walk = own?.walk;
    this.#stuck = own?.stuck;
    this.#unsettled = new Set(call.settings.after === 'delete' ? own?.unsettled : []);
    this.#said = own ? JSON.stringify(own) : '';
  }

  /** Everything there was has been looked at. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** One session's part; it ends early where the session breaks off or should be ended. */
  async *through(session: Pop3Session): AsyncGenerator<FetchedBatch, void> {
    this.#marked.clear();
    const todo = await withHeartbeats(this.#call, () => this.#begin(session));
    while (todo.length > 0) {
      const part = await withHeartbeats(this.#call, () => this.#take(session, todo));
      yield this.#batch(session, part);
      if (part.isCut || !session.isUsable || this.#marked.size >= DELETED_AT_MOST) return;
    }
    this.#walk = undefined;
    this.#isDone = true;
  }

  /** The session ended in order: what it marked is deleted. */
  committed(): void {
    for (const id of this.#marked) this.#unsettled.delete(id);
    this.#listing.forEach((mail, place) => {
      if (this.#marked.has(mail.id)) this.#isLooked[place] = false;
    });
    this.#marked.clear();
  }

  /** The cursor, where it is another than was last given out. */
  *rest(): Generator<FetchedBatch, void> {
    const cursor = this.#cursor();
    if (JSON.stringify(cursor) !== this.#said) yield { items: [], cursor };
  }

  /** Lists the mailbox and catches up with what was deleted, there and here. @returns places of what is to be read, last first */
  async #begin(session: Pop3Session): Promise<number[]> {
    this.#listing = await listMails(session);
    const fingerprints = this.#listing.map((mail) => mail.fingerprint);
    this.#isLooked = recognized(this.#looked, fingerprints);
    for (const [place, fingerprint] of fingerprints.entries())
      this.#isLooked[place] ||= this.#lookedHere.has(fingerprint);
    const isStrange = !isNothing(this.#looked) && !this.#isLooked.includes(true);
    await this.#settleUnsettled(session);
    await this.#askStore();
    const todo = this.#inTurn();
    if (!this.#walk && (this.#isFirstLook || isStrange) && this.#lookedHere.size === 0)
      if (todo.length > 0) this.#walk = { done: 0, total: todo.length };
    this.#expectsOld = this.#walk !== undefined;
    return todo;
  }

  /** Places of what is to be read, last first; a mail that the connection breaks off at waits for the others. */
  #inTurn(): number[] {
    const places = this.#open().reverse();
    const stuck = this.#stuck;
    if (!stuck || stuck.times < TRIES) return places;
    const isStuck = (place: number) => this.#listing[place]!.id === stuck.id;
    return [...places.filter(isStuck), ...places.filter((place) => !isStuck(place))];
  }

  /** Places of the mails not looked at yet. */
  #open(): number[] {
    return [...this.#listing.keys()].filter((place) => !this.#isLooked[place]);
  }

  async #settleUnsettled(session: Pop3Session): Promise<void> {
    const listed = new Map(this.#listing.map((mail) => [mail.id, mail]));
    for (const id of this.#unsettled) {
      const mail = listed.get(id);
      if (mail) await this.#mark(session, mail);
      else this.#unsettled.delete(id);
    }
    this.#listing.forEach((mail, place) => {
      this.#isLooked[place] ||= this.#unsettled.has(mail.id);
    });
  }

  /** A mail deleted by others blurs what is known of its neighbours: the store knows which of them it has. */
  async #askStore(): Promise<void> {
    const { known } = this.#call;
    if (!known) return;
    const open = this.#open();
    for (let from = 0; from < open.length; from += ASKED_AT_ONCE) {
      const places = open.slice(from, from + ASKED_AT_ONCE);
      const id = (place: number) => messageIdOf(this.#account, this.#listing[place]!.id);
      const stored = await known(places.map(id));
      for (const place of places) if (stored.has(id(place))) this.#isLooked[place] = true;
    }
  }

  /** Reads mails off the end of `todo` until they are a batch. Where the session breaks off, what came before. */
  async #take(session: Pop3Session, todo: number[]): Promise<Part> {
    const part: Part = { items: [], whole: [], isCut: false };
    let bytes = 0;
    for (let skipped = 0; todo.length > 0 && skipped < SKIPPED_AT_MOST; todo.pop()) {
      const place = todo.at(-1)!;
      const mail = this.#listing[place]!;
      const isFull = part.items.length >= this.#call.settings.batch_size;
      if (isFull || (bytes > 0 && bytes + mail.size > BATCH_BYTES)) break;
      try {
        const found = await this.#look(session, mail);
        this.#passed(place);
        if (found === 'too_old') {
          skipped += 1;
          continue;
        }
        part.items.push(found.item);
        if (found.isWhole) part.whole.push(mail);
        bytes += mail.size;
      } catch (error) {
        if (session.isUsable) throw error;
        this.#call.signal.throwIfAborted();
        this.#brokenOffAt(mail, error);
        part.isCut = true;
        break;
      }
    }
    return part;
  }

  #passed(place: number): void {
    const { id, fingerprint } = this.#listing[place]!;
    this.#isLooked[place] = true;
    this.#lookedHere.add(fingerprint);
    this.#breaks = 0;
    if (this.#stuck?.id === id) this.#stuck = undefined;
    const walk = this.#walk;
    if (walk) this.#walk = { ...walk, done: Math.min(walk.done + 1, walk.total) };
  }

  /** Said in the cursor, so that no mail can hold up those behind it for ever. */
  #brokenOffAt({ id }: ListedMail, error: unknown): void {
    const times = (this.#stuck?.id === id ? this.#stuck.times : 0) + 1;
    this.#breaks += 1;
    if (this.#breaks > TRIES + 1) throw error;
    this.#stuck = { id, times };
    this.#call.log.warn({ err: error, times }, 'the POP3 session broke off in a mail');
  }

  async #look(session: Pop3Session, mail: ListedMail): Promise<Found> {
    const most = this.#call.maxBytes ?? DEFAULT_MAX_BYTES;
    const isStuck = this.#stuck?.id === mail.id && this.#hasReadWhole;
    const tries = isStuck ? this.#stuck!.times : 0;
    if (tries > TRIES) return this.#withoutContent(mail, Buffer.alloc(0), BREAKS_OFF);
    if (mail.size > most || tries === TRIES) {
      const headers = await readHeaders(session, mail);
      return this.#withoutContent(mail, headers, tries ? BREAKS_OFF : { oversize: true });
    }
    // Mail comes in order of age, mostly: headers first where the one before was too old to be read whole.
    if (this.#expectsOld && this.#isTooOld(await readHeaders(session, mail))) return 'too_old';
    const source = await readWhole(session, mail, most);
    if (!Buffer.isBuffer(source))
      return this.#withoutContent(mail, await readHeaders(session, mail), {
        unreadable: source.refused,
      });
    this.#hasReadWhole = true;
    this.#expectsOld = this.#isTooOld(source);
    if (this.#expectsOld) return 'too_old';
    return { item: itemOf(this.#account, mail, source), isWhole: true };
  }

  #withoutContent(mail: ListedMail, headers: Buffer, missing: Record<string, unknown>): Found {
    if (this.#isTooOld(headers)) return 'too_old';
    return { item: itemOf(this.#account, mail, headers, missing), isWhole: false };
  }

  /** The server's own date counts; the sender's only while the first walk looks at what was there before. */
  #isTooOld(mail: Buffer): boolean {
    const { received, sent } = datesOf(mail);
    const date = received ?? (this.#walk ? sent : null);
    return date !== null && date < this.#since;
  }

  #batch(session: Pop3Session, { items, whole }: Part): FetchedBatch {
    const isDeleting = this.#call.settings.after === 'delete' && whole.length > 0;
    if (isDeleting) for (const { id } of whole) this.#unsettled.add(id);
    const cursor = this.#cursor();
    this.#said = JSON.stringify(cursor);
    return {
      items,
      cursor,
      ...(this.#walk && { progress: this.#walk }),
      ...(isDeleting && { stored: () => this.#delete(session, whole) }),
    };
  }

  /** A session that broke off meanwhile leaves them to the next one. */
  async #delete(session: Pop3Session, mails: readonly ListedMail[]): Promise<void> {
    try {
      for (const mail of mails) await this.#mark(session, mail);
    } catch (error) {
      if (session.isUsable || !(error instanceof Pop3Lost)) throw error;
    }
  }

  async #mark(session: Pop3Session, mail: ListedMail): Promise<void> {
    for (const number of mail.numbers) await session.DELE(number);
    this.#marked.add(mail.id);
  }

  #cursor(): Pop3Cursor {
    const looked = this.#listing
      .filter((_, place) => this.#isLooked[place])
      .map((mail) => mail.fingerprint);
    this.#looked = summaryOf(looked);
    return {
      account: this.#account,
      since: this.#since.toISOString(),
      looked: this.#looked,
      ...(this.#walk && { walk: this.#walk }),
      ...(this.#stuck && { stuck: this.#stuck }),
      ...(this.#unsettled.size > 0 && { unsettled: [...this.#unsettled] }),
    };
  }
}

interface Part {
  readonly items: FetchedItem[];
  readonly whole: ListedMail[];
  /** The session broke off. */
  isCut: boolean;
}

function isNothing({ blocks, rest }: Looked): boolean {
  return blocks === '' && rest === '';
}

const BREAKS_OFF = { unreadable: 'The connection breaks off each time it is read.' };

/** When the first import begins; Received counts in whole seconds. */
function importSince({ settings, channel }: Pop3Call): Date {
  if (settings.import_since !== 'now') return new Date(settings.import_since);
  const since = channel.createdAt ?? new Date();
  return new Date(Math.floor(since.getTime() / 1000) * 1000);
}

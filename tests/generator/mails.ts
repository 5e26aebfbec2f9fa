import { bounce } from './bounces.ts';
import { compose, type ComposedMail, type Letter, type MailTruth } from './compose.ts';
import { conversation, forgery, strayAutoReply } from './conversations.ts';
import { LANGUAGES } from './languages.ts';
import { newPerson, type Person } from './people.ts';
import { Random } from './random.ts';

export { SUPPORT } from './conversations.ts';
export type { MailTruth } from './compose.ts';
export type { AttachmentTruth } from './mime.ts';

export interface GeneratorOptions {
  readonly seed: number;
  readonly count: number;
  /** Size in bytes of one large attachment, a third of the way in; default none. */
  readonly largeAttachment?: number;
  /** Size in bytes of the largest of the usual attachments; default 300 KB. */
  readonly attachmentBytes?: number;
}

export interface GeneratedMail {
  readonly raw: Buffer;
  readonly truth: MailTruth;
  readonly deliveredAt: Date;
  /** The same bytes came before: a copy that must make no second message. */
  readonly isCopy: boolean;
}

/** All times are in the past, and the same on each run. */
export const FIRST_DELIVERY = new Date('2026-01-05T08:00:00Z');
const BETWEEN_MS = 40_000;
/** Conversations under way at a time, their mails mixed. */
const UNDER_WAY = 25;
/** How far back copies come from and forgers read along. */
const REMEMBERED = 60;

/**
 * Mails as a support mailbox gets them, in the order of their delivery, each with what must come of it. The same seed
 * and count give the same bytes.
 */
export function* generateMails(options: GeneratorOptions): Generator<GeneratedMail> {
  const post = new Post(options);
  for (let at = 0; at < options.count; at++) yield post.next();
}

class Post {
  readonly #random: Random;
  readonly #options: GeneratorOptions;
  readonly #underWay: Letter[][] = [];
  readonly #customers: Person[] = [];
  readonly #recent: ComposedMail[] = [];
  /** Letters of what is under way. */
  #queued = 0;
  #left: number;
  #threads = 0;
  #largeSent = false;

  constructor(options: GeneratorOptions) {
    this.#random = new Random(options.seed);
    this.#options = options;
    this.#left = options.count;
  }

  next(): GeneratedMail {
    const passed = this.#options.count - this.#left;
    const deliveredAt = new Date(FIRST_DELIVERY.getTime() + passed * BETWEEN_MS);
    const composed = this.#copy() ?? this.#fresh(deliveredAt);
    this.#left -= 1;
    return { ...composed, deliveredAt };
  }

  #copy(): Omit<GeneratedMail, 'deliveredAt'> | null {
    const random = this.#random;
    if (!this.#hasRoom(1) || this.#recent.length === 0 || !random.chance(0.02)) return null;
    return { ...random.pick(this.#recent), isCopy: true };
  }

  #fresh(at: Date): Omit<GeneratedMail, 'deliveredAt'> {
    const composed = compose(this.#withLargeAttachment(this.#nextLetter(at)), this.#random);
    this.#recent.push(composed);
    if (this.#recent.length > REMEMBERED) this.#recent.shift();
    return { ...composed, isCopy: false };
  }

  #nextLetter(at: Date): Letter {
    return this.#single(at) ?? this.#continued(at) ?? this.#forgery(at);
  }

  #single(at: Date): Letter | null {
    const random = this.#random;
    if (!this.#hasRoom(1)) return null;
    if (random.chance(0.015)) return bounce(at, random);
    if (random.chance(0.01)) return strayAutoReply(at, random);
    return random.chance(0.04) ? this.#forgery(at) : null;
  }

  /** The next letter of any conversation under way. */
  #continued(at: Date): Letter | null {
    while (this.#underWay.length < UNDER_WAY && this.#begin(at));
    if (this.#underWay.length === 0) return null;
    const place = this.#random.int(0, this.#underWay.length - 1);
    const letters = this.#underWay[place]!;
    const letter = letters.shift()!;
    this.#queued -= 1;
    if (letters.length === 0) this.#underWay.splice(place, 1);
    return letter;
  }

  #begin(at: Date): boolean {
    const letters = conversation(
      this.#newThread(),
      this.#customer(),
      at,
      this.#random,
      this.#options.attachmentBytes,
    );
    if (!this.#hasRoom(letters.length)) return false;
    this.#underWay.push(letters);
    this.#queued += letters.length;
    return true;
  }

  /** What has been begun must find room before the end. */
  #hasRoom(letters: number): boolean {
    return this.#left - this.#queued >= letters;
  }

  /** Of ids that were seen, or of one that is about to come: a leak elsewhere. */
  #forgery(at: Date): Letter {
    const random = this.#random;
    const ahead = this.#underWay.flatMap((letters) => letters[0]?.messageId ?? []);
    const seen = this.#recent.flatMap(({ truth }) =>
      truth.thread !== null && truth.messageId !== null ? [truth.messageId] : [],
    );
    const source = random.chance(0.3) ? ahead : seen;
    return forgery(this.#newThread(), source.length === 0 ? [] : [random.pick(source)], at, random);
  }

  #customer(): Person {
    const random = this.#random;
    if (this.#customers.length > 0 && random.chance(0.2)) return random.pick(this.#customers);
    const customer = newPerson(random.pick(LANGUAGES), random, 'customer');
    this.#customers.push(customer);
    return customer;
  }

  #newThread(): string {
    this.#threads += 1;
    return `thread-${this.#threads}`;
  }

  #withLargeAttachment(letter: Letter): Letter {
    const { largeAttachment, count } = this.#options;
    const isEarly = this.#left > count * 0.7;
    if (largeAttachment === undefined || this.#largeSent || isEarly || letter.report) return letter;
    this.#largeSent = true;
    return { ...letter, attachmentSizes: [largeAttachment] };
  }
}

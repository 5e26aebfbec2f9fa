import { ProviderFailure } from '../../domain/failure.ts';
import type { FetchedItem } from '../contract.ts';
import { askTogether, type Brought } from './batch.ts';
import type { Graph } from './client.ts';
import type { ListedMail } from './listing.ts';
import { broughtMail, mailPath, readMail } from './mail.ts';
import { planReadings, type Reading } from './plan.ts';

/** Of the four places a mailbox has, one is left for what is sent meanwhile. */
const AHEAD = 3;
/** Bound of what is held in memory, read ahead or in one batch; a mail larger than this is there by itself. */
const BATCH_BYTES = 16 * 1024 * 1024;

export interface ReadMail {
  readonly mail: ListedMail;
  /** Null where it is stored already, or gone meanwhile. */
  readonly item: FetchedItem | null;
}

/**
 * The mails' bytes, but of those `stored` already, in their order, in batches of at most `most`. What was read before a failure is given before it
 * is thrown, so that each try gets further. @throws ProviderFailure
 */
export async function* readMails(
  graph: Graph,
  folder: string,
  mails: readonly ListedMail[],
  most: number,
  stored: ReadonlySet<string> = new Set(),
): AsyncGenerator<readonly ReadMail[]> {
  const wanted = mails.filter(({ id }) => !stored.has(id));
  const ahead = new ReadAhead(graph, folder, await planReadings(graph, wanted));
  let batch: ReadMail[] = [];
  let bytes = 0;
  try {
    for (const mail of mails) {
      const item = stored.has(mail.id) ? null : await ahead.take(mail);
      batch.push({ mail, item });
      bytes += Buffer.isBuffer(item?.source) ? item.source.length : 0;
      if (batch.length < most && bytes < BATCH_BYTES) continue;
      yield batch;
      batch = [];
      bytes = 0;
    }
  } catch (error) {
    await ahead.settled();
    if (batch.length > 0) yield batch;
    throw error;
  }
  if (batch.length > 0) yield batch;
}

/** Hands over one of the mails that a reading brought. */
type Hand = (mail: ListedMail) => Promise<FetchedItem | null>;

interface Started {
  readonly reading: Reading;
  readonly hand: Promise<Hand>;
  /** How many were not handed over yet. */
  left: number;
}

/** Reads ahead of where the mails are taken, in their order. */
class ReadAhead {
  readonly #graph: Graph;
  readonly #folder: string;
  readonly #waiting: Reading[];
  #started: Started[] = [];

  constructor(graph: Graph, folder: string, readings: readonly Reading[]) {
    this.#graph = graph;
    this.#folder = folder;
    this.#waiting = [...readings];
  }

  async take(mail: ListedMail): Promise<FetchedItem | null> {
    while (this.#hasRoom()) this.#start();
    let started = this.#of(mail);
    // What stands in front may hold mails that come later: room or not, this one is due.
    while (!started && this.#waiting.length > 0) {
      this.#start();
      started = this.#of(mail);
    }
    if (!started) return readMail(this.#graph, this.#folder, mail);
    const hand = await started.hand;
    const item = await hand(mail);
    started.left -= 1;
    if (started.left === 0) this.#started = this.#started.filter((one) => one !== started);
    return item;
  }

  /** What is under way is over. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#started.map(({ hand }) => hand));
  }

  #of({ id }: ListedMail): Started | undefined {
    return this.#started.find(({ reading }) => reading.mails.some((mail) => mail.id === id));
  }

  #hasRoom(): boolean {
    const [next] = this.#waiting;
    if (!next || this.#started.length >= AHEAD) return false;
    const held = this.#started.reduce((sum, { reading }) => sum + reading.bytes, 0);
    return held === 0 || held + next.bytes <= BATCH_BYTES;
  }

  #start(): void {
    const reading = this.#waiting.shift()!;
    const hand = this.#read(reading);
    hand.catch(() => undefined); // awaited in its turn; a failure before that is not unhandled
    this.#started.push({ reading, hand, left: reading.mails.length });
  }

  async #read({ mails }: Reading): Promise<Hand> {
    const [graph, folder] = [this.#graph, this.#folder];
    const [only] = mails;
    if (mails.length > 1 && graph.isBatching) return readTogether(graph, folder, mails);
    // When batches are given up, those that were to come in one are read when they are due.
    if (mails.length > 1) return (mail) => readMail(graph, folder, mail);
    const item = await readMail(graph, folder, only!);
    return () => Promise.resolve(item);
  }
}

/** What a batch did not bring is asked for by itself, when it is due. */
async function readTogether(
  graph: Graph,
  folder: string,
  mails: readonly ListedMail[],
): Promise<Hand> {
  const answers = await askTogether(
    graph,
    mails.map((mail) => `${mailPath(graph, mail)}/$value`),
  );
  const brought = new Map(answers.map((one, n) => [mails[n]!.id, mimeIn(one)]));
  const results = [...brought.values()];
  // It will not come in the next batch either.
  if (results.includes('refused') && !results.some((one) => Buffer.isBuffer(one)))
    graph.isBatching = false;
  return async (mail) => {
    const one = brought.get(mail.id);
    brought.delete(mail.id);
    if (one === 'gone') return null;
    if (one instanceof ProviderFailure) throw one;
    return Buffer.isBuffer(one)
      ? broughtMail(graph, folder, mail, one)
      : readMail(graph, folder, mail);
  };
}

/**
 * MIME within JSON. Graph gives what is no JSON in base64; where it came as text (as OData has it for `text/plain`,
 * https://docs.oasis-open.org/odata/odata-json-format/v4.01/odata-json-format-v4.01.html#sec_BatchRequest), only ASCII
 * is sure to be as it was.
 */
function mimeIn(one: Brought): Exclude<Brought, { body: unknown }> | Buffer {
  if (typeof one === 'string' || one instanceof ProviderFailure) return one;
  const { body } = one;
  if (typeof body !== 'string' || body === '') return 'refused';
  // A mail has a colon in its first line, and base64 none.
  if (/^[\w+/-]+={0,2}$/.test(body)) return Buffer.from(body, 'base64');
  // oxlint-disable-next-line no-control-regex
  return /^[\0-\x7f]*$/.test(body) ? Buffer.from(body) : 'refused';
}

import type { Db } from '../../db/connection.ts';
import type { Pending } from '../../db/queries/outbox.ts';
import { storeBrought, type Brought, type StagedChannel } from '../../db/queries/brought.ts';
import type { StatusReport } from '../../db/queries/status-reports.ts';
import type { ChannelId } from '../../domain/ids.ts';

interface Waiting {
  readonly brought: Brought;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** What a transaction left to do, once it is committed. */
export interface Stored {
  readonly pending: Pending;
  readonly reports: readonly StatusReport[];
}

/** A transaction holds at most so much, unless one call alone brings more. */
const MOST_ITEMS = 500;
const MOST_BYTES = 2 * 1024 * 1024;

/**
 * Stores what the calls of a door bring, one transaction per channel at a time: calls that come while it commits are
 * stored together by the next. Each would else wait for the others' commits anyway, since all nudge the same channel.
 */
export class GroupedStaging {
  readonly #db: Db;
  readonly #stored: (channel: StagedChannel, stored: Stored) => void;
  readonly #waiting = new Map<ChannelId, Waiting[]>();

  /** @param stored told of each transaction after its commit */
  constructor(db: Db, stored: (channel: StagedChannel, stored: Stored) => void) {
    this.#db = db;
    this.#stored = stored;
  }

  /** Resolves when all of it is stored; rejects where none of it is. */
  stage(channel: StagedChannel, brought: Brought): Promise<void> {
    if (brought.receipts.length + brought.statuses.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const one = { brought, resolve, reject };
      const waiting = this.#waiting.get(channel.id);
      if (waiting) {
        waiting.push(one);
        return;
      }
      const first = [one];
      this.#waiting.set(channel.id, first);
      void this.#run(channel, first);
    });
  }

  async #run(channel: StagedChannel, waiting: Waiting[]): Promise<void> {
    while (waiting.length > 0) {
      const group = takeGroup(waiting);
      const error = await this.#store(channel, group);
      if (error === null) for (const { resolve } of group) resolve();
      else if (group.length === 1) group[0]!.reject(error);
      else await this.#storeApart(channel, group);
    }
    this.#waiting.delete(channel.id);
  }

  /** One that can't be stored must not keep the others out. */
  async #storeApart(channel: StagedChannel, group: readonly Waiting[]): Promise<void> {
    for (const one of group) {
      const error = await this.#store(channel, [one]);
      if (error === null) one.resolve();
      else one.reject(error);
    }
  }

  /** @returns why it was not stored; null where it was */
  async #store(channel: StagedChannel, group: readonly Waiting[]): Promise<unknown> {
    try {
      const calls = group.map(({ brought }) => brought);
      this.#stored(channel, await storeBrought(this.#db, channel, calls));
      return null;
    } catch (error) {
      return error ?? new Error('It could not be stored.');
    }
  }
}

function takeGroup(waiting: Waiting[]): Waiting[] {
  let count = 0;
  let bytes = 0;
  const end = waiting.findIndex(({ brought: { receipts, statuses } }, index) => {
    count += receipts.length + statuses.length;
    for (const { source } of receipts) bytes += Buffer.isBuffer(source) ? source.length : 0;
    return index > 0 && (count > MOST_ITEMS || bytes > MOST_BYTES);
  });
  return waiting.splice(0, end === -1 ? waiting.length : end);
}

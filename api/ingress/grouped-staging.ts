import {
  storeBrought,
  type Brought,
  type StagedChannel,
  type Stored,
} from '../../db/queries/brought.ts';
import { Coalesced } from '../../domain/coalesced.ts';
import type { ChannelId } from '../../domain/ids.ts';
import type { ApiDeps } from '../deps.ts';

interface Call {
  readonly channel: StagedChannel;
  readonly brought: Brought;
}

/** A transaction holds at most so much, unless one call alone brings more. */
const MOST_ITEMS = 500;
const MOST_BYTES = 2 * 1024 * 1024;

/**
 * Stores what the calls of a door bring, one transaction per channel at a time: calls that come while it commits are
 * stored together by the next. Each would else wait for the others' commits anyway, since all nudge the same channel.
 */
export class GroupedStaging {
  readonly #calls: Coalesced<ChannelId, Call, void>;

  /** @param stored told of each transaction after its commit */
  constructor(
    { db, way }: Pick<ApiDeps, 'db' | 'way'>,
    stored: (channel: StagedChannel, stored: Stored) => void,
  ) {
    this.#calls = new Coalesced<ChannelId, Call, void>(
      async (_id, calls) => {
        const { channel } = calls[0]!;
        const brought = calls.map((call) => call.brought);
        const began = performance.now();
        stored(channel, await storeBrought(db, channel, brought));
        way.stored(performance.now() - began, calls.length);
        return calls.map(() => undefined);
      },
      { together },
    );
  }

  /** Resolves when all of it is stored; rejects where none of it is. */
  async stage(channel: StagedChannel, brought: Brought): Promise<void> {
    if (brought.receipts.length + brought.statuses.length === 0) return;
    await this.#calls.ask(channel.id, { channel, brought });
  }
}

function together(calls: readonly Call[]): number {
  let count = 0;
  let bytes = 0;
  const end = calls.findIndex(({ brought: { receipts, statuses } }, index) => {
    count += receipts.length + statuses.length;
    for (const { source } of receipts) bytes += Buffer.isBuffer(source) ? source.length : 0;
    return index > 0 && (count > MOST_ITEMS || bytes > MOST_BYTES);
  });
  return end === -1 ? calls.length : end;
}

import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../telemetry/log.ts';
import type { PendingWork, Relay } from '../../workflows/contracts/relay.ts';

/**
 * Between two nudges of one channel: each costs Temporal a signal and a workflow task, and Postgres a batch, more than all
 * else that a call of a door costs together. The first goes at once; as long as calls come thick, the gap grows.
 */
const GAP_MS = 250;
const LONGEST_GAP_MS = 1_000;
/** Commits within a gap: from about fifteen a second on. */
const THICK = 4;

/**
 * Nudges after commits, one under way per channel: under load a later one stands for all that came meanwhile, because
 * it carries the channel's newest version. What is lost with the process stands in the outbox.
 */
export class CoalescedFlush {
  readonly #relay: Relay;
  readonly #log: Logger;
  readonly #waiting = new Map<string, { work: PendingWork; calls: number }>();
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #others = new Set<Promise<void>>();

  constructor(relay: Relay, log: Logger) {
    this.#relay = relay;
    this.#log = log;
  }

  /** Returns at once. */
  add(channelId: string, work: PendingWork): void {
    if (work.channels.size === 0) return;
    const waiting = this.#waiting.get(channelId);
    this.#waiting.set(channelId, {
      work: waiting ? newest(waiting.work, work) : work,
      calls: (waiting?.calls ?? 0) + 1,
    });
    if (!this.#underWay.has(channelId)) this.#underWay.set(channelId, this.#run(channelId));
  }

  /** What no later work stands for. Returns at once. */
  addOther(work: PendingWork): void {
    const handingOver = this.#flush(work).finally(() => this.#others.delete(handingOver));
    this.#others.add(handingOver);
  }

  /** When everything added has been handed over, or left to the drain. */
  async settled(): Promise<void> {
    await Promise.all([...this.#underWay.values(), ...this.#others]);
  }

  async #run(channelId: string): Promise<void> {
    let gapMs = GAP_MS;
    for (;;) {
      const waiting = this.#waiting.get(channelId);
      if (!waiting) break;
      this.#waiting.delete(channelId);
      await this.#flush(waiting.work);
      gapMs = waiting.calls > THICK ? Math.min(gapMs * 2, LONGEST_GAP_MS) : GAP_MS;
      await sleep(gapMs);
    }
    this.#underWay.delete(channelId);
  }

  async #flush(work: PendingWork): Promise<void> {
    try {
      await this.#relay.flush(work);
    } catch (error) {
      this.#log.error({ err: error }, 'a nudge is left to the drain');
    }
  }
}

/** Commits may be told of out of order. */
function newest(waiting: PendingWork, added: PendingWork): PendingWork {
  return versionOf(waiting) > versionOf(added) ? waiting : added;
}

function versionOf(work: PendingWork): number {
  return Math.max(...[...work.channels.values()].map(({ version }) => version));
}

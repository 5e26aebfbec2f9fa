import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../telemetry/log.ts';
import type { PendingWork, Relay } from '../../workflows/contracts/relay.ts';

/**
 * Between two nudges of one channel: each costs Temporal a signal and a workflow task, more than all else that a call
 * of a door costs together. The first goes at once.
 */
const GAP_MS = 250;

/**
 * Nudges after commits, one under way per channel: under load a later one stands for all that came meanwhile, because
 * it carries the channel's newest version. What is lost with the process stands in the outbox.
 */
export class CoalescedFlush {
  readonly #relay: Relay;
  readonly #log: Logger;
  readonly #waiting = new Map<string, PendingWork>();
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #others = new Set<Promise<void>>();

  constructor(relay: Relay, log: Logger) {
    this.#relay = relay;
    this.#log = log;
  }

  /** Returns at once. */
  add(channelId: string, work: PendingWork): void {
    if (work.channels.size === 0) return;
    this.#waiting.set(channelId, newest(this.#waiting.get(channelId), work));
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
    for (;;) {
      const work = this.#waiting.get(channelId);
      if (!work) break;
      this.#waiting.delete(channelId);
      await this.#flush(work);
      await sleep(GAP_MS);
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
function newest(waiting: PendingWork | undefined, added: PendingWork): PendingWork {
  if (!waiting) return added;
  return versionOf(waiting) > versionOf(added) ? waiting : added;
}

function versionOf(work: PendingWork): number {
  return Math.max(...[...work.channels.values()].map(({ version }) => version));
}

import type { StreamedDelivery, StreamEndpoint } from '../db/queries/stream.ts';
import type { TenantId } from '../domain/ids.ts';

/** Posts under way at once to one endpoint. */
const WIDTH = 32;
/** Rows taken ahead for an endpoint that answers quickly, and for one that doesn't. */
const AHEAD_QUICK = 400;
const AHEAD_SLOW = 32;
const QUICK_MS = 100;
/** So many failures in a row make an endpoint count as down. */
const DOWN_AFTER = 5;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 5 * 60_000;
/** Failed deliveries get workflows of their own; more of them a second than this and the endpoint waits for the next. */
const FAILURES_A_SECOND = 40;

/** What is at hand for one endpoint: the rows taken, how it answers, and whether it is paused. */
export class Lane {
  readonly tenantId: TenantId;
  readonly endpointId: string;
  endpoint: StreamEndpoint;
  readAt: number;
  readonly queue: StreamedDelivery[] = [];
  underWay = 0;
  /** More rows wait in Postgres than there was room for. */
  more = false;
  pausedUntil = 0;
  /** Finished since the gear was last looked at. */
  finished = 0;
  calmSince: number;
  #failuresInRow: number;
  #averageMs = 0;
  #second = 0;
  #failuresInSecond = 0;

  constructor(tenantId: TenantId, endpointId: string, endpoint: StreamEndpoint, now: number) {
    this.tenantId = tenantId;
    this.endpointId = endpointId;
    this.endpoint = endpoint;
    this.readAt = now;
    this.calmSince = now;
    this.#failuresInRow = endpoint.failuresInRow;
  }

  get held(): number {
    return this.queue.length + this.underWay;
  }

  get isDown(): boolean {
    return this.#failuresInRow >= DOWN_AFTER;
  }

  /** Posts that may be under way now: one tries out an endpoint that was down. */
  width(now: number): number {
    if (this.pausedUntil > now) return 0;
    return this.isDown ? 1 : WIDTH;
  }

  /** Rows to take now; none while enough are at hand. */
  room(now: number): number {
    if (this.pausedUntil > now) return 0;
    if (this.isDown) return Math.max(0, 1 - this.held);
    const ahead = this.#averageMs < QUICK_MS ? AHEAD_QUICK : AHEAD_SLOW;
    return this.isLow() ? ahead - this.queue.length : 0;
  }

  isLow(): boolean {
    return this.queue.length < (this.#averageMs < QUICK_MS ? AHEAD_QUICK : AHEAD_SLOW) / 2;
  }

  /** Takes note of an answer. Returns what is to be written down: a pause, its end, or nothing. */
  answered(
    delivered: boolean,
    durationMs: number,
    now: number,
  ): { forMs: number; failuresInRow: number } | 'recovered' | null {
    this.finished += 1;
    this.#averageMs += (durationMs - this.#averageMs) * 0.1;
    if (delivered) {
      const wasDown = this.isDown;
      this.#failuresInRow = 0;
      this.pausedUntil = 0;
      return wasDown ? 'recovered' : null;
    }
    // Those that were under way when the pause began say nothing new.
    if (this.isDown && this.pausedUntil > now) return null;
    this.#failuresInRow += 1;
    this.#throttle(now);
    if (!this.isDown) return null;
    const forMs = Math.min(
      FIRST_PAUSE_MS * 2 ** Math.min(this.#failuresInRow - DOWN_AFTER, 20),
      LONGEST_PAUSE_MS,
    );
    this.pausedUntil = now + forMs;
    return { forMs, failuresInRow: this.#failuresInRow };
  }

  /** Many failures among successes: not down, but no reason to start workflows by the hundred. */
  #throttle(now: number): void {
    const second = Math.floor(now / 1000);
    if (second !== this.#second) this.#failuresInSecond = 0;
    this.#second = second;
    this.#failuresInSecond += 1;
    if (this.#failuresInSecond >= FAILURES_A_SECOND) this.pausedUntil = (second + 1) * 1000;
  }
}

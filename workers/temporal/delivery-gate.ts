/** Delivery workflows under way that this process started: more of them are no faster, and take longer each. */
const WIDTH = 25;
/** A slow endpoint keeps a place no longer than this once it is being posted to, so that it doesn't hold back the others. */
const LONGEST_POST_MS = 250;
/** One of which nothing is heard is under way in another process. */
const UNHEARD_MS = 5_000;

/** Bounds the delivery workflows in flight, from the start to the end of the first attempt. */
export class DeliveryGate {
  readonly #inside = new Map<string, NodeJS.Timeout>();
  readonly #queue: (() => void)[] = [];
  readonly #waiting = new Map<string, number>();

  /** Starts that wait for a place, of one endpoint. */
  waitingFor(endpointId: string): number {
    return this.#waiting.get(endpointId) ?? 0;
  }

  async enter(deliveryId: string, endpointId: string): Promise<void> {
    if (this.#inside.size >= WIDTH) {
      this.#count(endpointId, 1);
      await new Promise<void>((admitted) => this.#queue.push(admitted));
      this.#count(endpointId, -1);
    }
    this.#leaveIn(UNHEARD_MS, deliveryId);
  }

  /** Its first attempt begins. */
  begun(deliveryId: string): void {
    const timer = this.#inside.get(deliveryId);
    if (timer === undefined) return;
    clearTimeout(timer);
    this.#leaveIn(LONGEST_POST_MS, deliveryId);
  }

  leave(deliveryId: string): void {
    const timer = this.#inside.get(deliveryId);
    if (timer === undefined) return;
    clearTimeout(timer);
    this.#inside.delete(deliveryId);
    this.#queue.shift()?.();
  }

  #leaveIn(ms: number, deliveryId: string): void {
    this.#inside.set(deliveryId, setTimeout(() => this.leave(deliveryId), ms).unref());
  }

  #count(endpointId: string, by: number): void {
    const count = this.waitingFor(endpointId) + by;
    if (count === 0) this.#waiting.delete(endpointId);
    else this.#waiting.set(endpointId, count);
  }
}

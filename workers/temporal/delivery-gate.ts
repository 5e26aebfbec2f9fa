/** Delivery workflows under way that this process started: more of them are no faster, and take longer each. */
const WIDTH = 25;
/** A slow endpoint keeps a place no longer than this, so that it doesn't hold back the others. */
const LONGEST_MS = 250;

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
    const timer = setTimeout(() => this.leave(deliveryId), LONGEST_MS).unref();
    this.#inside.set(deliveryId, timer);
  }

  leave(deliveryId: string): void {
    const timer = this.#inside.get(deliveryId);
    if (timer === undefined) return;
    clearTimeout(timer);
    this.#inside.delete(deliveryId);
    this.#queue.shift()?.();
  }

  #count(endpointId: string, by: number): void {
    const count = this.waitingFor(endpointId) + by;
    if (count === 0) this.#waiting.delete(endpointId);
    else this.#waiting.set(endpointId, count);
  }
}

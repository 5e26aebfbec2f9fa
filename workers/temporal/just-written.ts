import type { WrittenDelivery } from '../../workflows/contracts/relay.ts';

/** Beyond it the endpoint may have been changed since: it is read anew. */
const FRESH_MS = 1_000;

/** Deliveries that this process wrote a moment ago, for their first attempts in the same process. */
export class JustWritten {
  readonly #deliveries = new Map<string, { written: WrittenDelivery; until: number }>();

  keep(deliveries: ReadonlyMap<string, WrittenDelivery>): void {
    const now = Date.now();
    // Oldest first: what was started elsewhere is never asked for.
    for (const [id, { until }] of this.#deliveries) {
      if (until > now) break;
      this.#deliveries.delete(id);
    }
    for (const [id, written] of deliveries)
      this.#deliveries.set(id, { written, until: now + FRESH_MS });
  }

  /** Once: whoever comes again does so because something happened in between. */
  take(deliveryId: string): WrittenDelivery | null {
    const kept = this.#deliveries.get(deliveryId);
    this.#deliveries.delete(deliveryId);
    return kept && kept.until > Date.now() ? kept.written : null;
  }
}

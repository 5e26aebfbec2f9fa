import type { PoolClient } from 'pg';

/** A statement is prepared from this use on: planning it costs more than running it, for most. */
const USES = 10;
/** Plans take memory in Postgres, on each connection. */
const MOST = 100;
const MOST_COUNTED = 2_000;

/**
 * Statements that are asked for again and again are prepared: parsed and planned once for a connection, and not each
 * time. Those with `*` are left out, whose columns may change under a running process when the schema is migrated.
 */
export class PreparedStatements {
  readonly #uses = new Map<string, number>();
  readonly #names = new Map<string, string>();

  /** Has a client of the pool prepare what is used often. */
  watch(client: PoolClient): void {
    const query = client.query.bind(client) as (...given: unknown[]) => unknown; // has an overload for each way to call it
    const prepared = (text: unknown, values: unknown, ...more: unknown[]) => {
      const name =
        typeof text === 'string' && Array.isArray(values) && values.length > 0
          ? this.#nameOf(text)
          : null;
      return name === null ? query(text, values, ...more) : query({ name, text, values }, ...more);
    };
    client.query = prepared as typeof client.query;
  }

  #nameOf(text: string): string | null {
    const name = this.#names.get(text);
    if (name !== undefined) return name;
    const uses = (this.#uses.get(text) ?? 0) + 1;
    if (uses < USES || this.#names.size >= MOST || text.includes('*')) {
      if (uses < USES && this.#uses.size < MOST_COUNTED) this.#uses.set(text, uses);
      return null;
    }
    this.#uses.delete(text);
    const next = `often_${this.#names.size}`;
    this.#names.set(text, next);
    return next;
  }
}

import type { Db } from '../../db/connection.ts';
import { markStarted } from '../../db/queries/deliveries.ts';
import type { TenantId } from '../../domain/ids.ts';
import type { Logger } from '../../telemetry/log.ts';

/** Well within the writer's lease: until then the drain takes no delivery over. */
const AFTER_MS = 500;

/**
 * Notes that deliveries have their workflow. Most have ended by then, and the attempt on record says it as well: only
 * what is still under way after a moment costs a statement.
 */
export class StartedMarks {
  readonly #db: Db;
  readonly #log: Logger;
  readonly #underWay = new Map<string, { tenantId: TenantId; isStarted: boolean }>();
  #timer: NodeJS.Timeout | null = null;

  constructor(db: Db, log: Logger) {
    this.#db = db;
    this.#log = log;
  }

  starting(tenantId: TenantId, deliveryId: string): void {
    this.#underWay.set(deliveryId, { tenantId, isStarted: false });
  }

  /** Temporal has it; where its first attempt ended meanwhile, there is nothing to note. */
  started(deliveryId: string): void {
    const mark = this.#underWay.get(deliveryId);
    if (!mark) return;
    mark.isStarted = true;
    this.#timer ??= setTimeout(() => void this.#write(), AFTER_MS).unref();
  }

  /** Its attempt is on record, or it could not be started. */
  forget(deliveryId: string): void {
    this.#underWay.delete(deliveryId);
  }

  close(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#underWay.clear();
  }

  async #write(): Promise<void> {
    this.#timer = null;
    const started = [...this.#underWay].filter(([, { isStarted }]) => isStarted);
    for (const [id] of started) this.#underWay.delete(id);
    const byTenant = Map.groupBy(started, ([, { tenantId }]) => tenantId);
    for (const [tenantId, marks] of byTenant) {
      try {
        await markStarted(
          this.#db,
          tenantId,
          marks.map(([id]) => id),
        );
      } catch (error) {
        this.#log.warn(
          { tenant: tenantId, err: error },
          'started deliveries could not be marked; they are handed over once more, without effect',
        );
      }
    }
  }
}

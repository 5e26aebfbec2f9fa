import { setTimeout as sleep } from 'node:timers/promises';
import type { Db } from '../../db/connection.ts';
import { notifyStream } from '../../db/queries/stream-wake.ts';
import type { Logger } from '../../telemetry/log.ts';

/** Between two notices. */
const GAP_MS = 5;

/** Tells the dispatchers that rows were left to them: one notice at a time, and those asked for meanwhile are one more. */
export class DispatcherNotice {
  readonly #db: Db;
  readonly #log: Logger;
  #isTelling = false;
  #again = false;

  constructor(db: Db, log: Logger) {
    this.#db = db;
    this.#log = log;
  }

  give(): void {
    this.#again = true;
    if (!this.#isTelling) void this.#tell();
  }

  async #tell(): Promise<void> {
    this.#isTelling = true;
    while (this.#again) {
      this.#again = false;
      try {
        await notifyStream(this.#db);
      } catch (error) {
        this.#log.debug({ err: error }, 'the dispatchers were not told; they look by themselves');
      }
      await sleep(GAP_MS);
    }
    this.#isTelling = false;
  }
}

import { applyReports } from '../../db/apply-reports.ts';
import type { StatusReport } from '../../db/queries/status-reports.ts';
import type { ChannelId, TenantId } from '../../domain/ids.ts';
import type { ApiDeps } from '../deps.ts';

interface Place {
  readonly tenantId: TenantId;
  readonly id: ChannelId;
}

/**
 * Applies reports of our messages after the calls that brought them were answered, one channel's one after the other:
 * those that come meanwhile are applied together. What is lost with the process stands in Postgres, where the drain
 * finds it.
 */
export class ReportQueue {
  readonly #deps: Pick<ApiDeps, 'db' | 'relay' | 'log'>;
  readonly #waiting = new Map<ChannelId, StatusReport[]>();

  constructor(deps: Pick<ApiDeps, 'db' | 'relay' | 'log'>) {
    this.#deps = deps;
  }

  /** Returns at once. */
  add(channel: Place, reports: readonly StatusReport[]): void {
    if (reports.length === 0) return;
    const waiting = this.#waiting.get(channel.id);
    if (waiting) {
      waiting.push(...reports);
      return;
    }
    const first = [...reports];
    this.#waiting.set(channel.id, first);
    void this.#run(channel, first);
  }

  async #run({ tenantId, id }: Place, waiting: StatusReport[]): Promise<void> {
    while (waiting.length > 0) {
      const reports = waiting.splice(0);
      await applyReports(this.#deps, { tenantId, channelId: id, reports });
    }
    this.#waiting.delete(id);
  }
}

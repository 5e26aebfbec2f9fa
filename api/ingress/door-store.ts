import { noteNews } from '../../db/queries/channel-changes.ts';
import type { LoadedChannel } from '../../db/queries/channels.ts';
import { applyStatuses } from '../../db/queries/delivery-statuses.ts';
import type { DoorReceipt } from '../../providers/contract.ts';
import { sourcesAccepted } from '../../telemetry/metrics.ts';
import type { ApiDeps } from '../deps.ts';
import { CoalescedFlush } from './coalesced-flush.ts';
import { GroupedStaging } from './grouped-staging.ts';

/** Where doors put what authentic calls bring. */
export class DoorStore {
  readonly #deps: Pick<ApiDeps, 'db'>;
  readonly #flush: CoalescedFlush;
  readonly #staging: GroupedStaging;

  constructor(deps: Pick<ApiDeps, 'db' | 'relay' | 'log'>) {
    this.#deps = deps;
    this.#flush = new CoalescedFlush(deps.relay, deps.log);
    this.#staging = new GroupedStaging(deps.db, ({ id }, pending) => this.#flush.add(id, pending));
  }

  /**
   * Stores all of it, or throws: then the vendor is asked to call again, and what is stored already is a repeat. Nobody
   * waits for what Temporal is told of it.
   */
  async store(
    { facts, provider }: LoadedChannel,
    { sources, statuses = [], news }: DoorReceipt,
    receivedAt: Date,
  ): Promise<void> {
    const { db } = this.#deps;
    const { id, tenantId } = facts;
    await this.#staging.stage(
      { id, tenantId, provider },
      sources.map((source) => ({ receivedAt, ...source })),
    );
    sourcesAccepted.inc({ provider }, sources.length);
    if (statuses.length > 0) this.#flush.addOther(await applyStatuses(db, tenantId, id, statuses));
    if (news) this.#flush.addOther(await noteNews(db, facts, provider, news));
  }
}

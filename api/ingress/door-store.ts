import { applyReports } from '../../db/apply-reports.ts';
import { noteNews } from '../../db/queries/channel-changes.ts';
import type { LoadedChannel } from '../../db/queries/channels.ts';
import type { ChannelReports } from '../../db/queries/status-reports.ts';
import { Coalesced } from '../../domain/coalesced.ts';
import type { ChannelId } from '../../domain/ids.ts';
import type { DoorReceipt } from '../../providers/contract.ts';
import { sourcesAccepted } from '../../telemetry/metrics.ts';
import type { ApiDeps } from '../deps.ts';
import { CoalescedFlush } from './coalesced-flush.ts';
import { GroupedStaging } from './grouped-staging.ts';

/** Between what is applied of one channel's reports while doors are busy: the more go together, the less each costs. */
const REPORTS_GAP_MS = 1_000;

/** Where doors put what authentic calls bring. */
export class DoorStore {
  readonly #deps: Pick<ApiDeps, 'db'>;
  readonly #flush: CoalescedFlush;
  readonly #staging: GroupedStaging;

  constructor(deps: Pick<ApiDeps, 'db' | 'relay' | 'log' | 'way'>) {
    this.#deps = deps;
    this.#flush = new CoalescedFlush(deps.relay, deps.log);
    // One channel's one after the other; what is lost with the process, the drain finds.
    const applying = new Coalesced<ChannelId, ChannelReports, void>(
      async (_id, all) => {
        const reports = all.flatMap((some) => some.reports);
        await deps.way.turn(() => applyReports(deps, { ...all[0]!, reports }));
        return all.map(() => undefined);
      },
      { restMs: () => (deps.way.isBusy() ? REPORTS_GAP_MS : 0) },
    );
    this.#staging = new GroupedStaging(deps, ({ tenantId, id }, { pending, reports }) => {
      this.#flush.add(id, pending);
      if (reports.length > 0) void applying.ask(id, { tenantId, channelId: id, reports });
    });
  }

  /**
   * Stores all of it, or throws: then the vendor is asked to call again, and what is stored already is a repeat. Nobody
   * waits for what Temporal is told of it, or for the tickets of which it reports.
   */
  async store(
    { facts, provider }: LoadedChannel,
    { sources, statuses = [], news }: DoorReceipt,
    receivedAt: Date,
  ): Promise<void> {
    const { id, tenantId } = facts;
    const receipts = sources.map((source) => ({ receivedAt, ...source }));
    await this.#staging.stage({ id, tenantId, provider }, { receipts, statuses });
    sourcesAccepted.inc({ provider }, sources.length);
    if (news) this.#flush.addOther(await noteNews(this.#deps.db, facts, provider, news));
  }
}

import { inTenant } from '../db/connection.ts';
import { putBlob } from '../db/queries/blobs.ts';
import { isRunning, recordImport } from '../db/queries/channel-state.ts';
import type { LoadedChannel } from '../db/queries/channels.ts';
import { acquireCursor, advanceCursor, stageReceipts, type Staged } from '../db/queries/sources.ts';
import type { SourceId, TenantId } from '../domain/ids.ts';
import type { FetchedBatch, MailboxCapability, ProviderCall } from '../providers/contract.ts';
import type { Deps } from './deps.ts';
import { Ingestion, type HeldSources } from './ingestion.ts';
import { heartbeat } from './mailbox-call.ts';

/**
 * One folder: each batch is stored and the cursor moved in one transaction, then ingested while the next ones are
 * fetched. A kill at any moment leaves either both or neither; what was stored but not ingested is staged.
 */
export async function syncFolder(
  deps: Deps,
  channel: LoadedChannel,
  mailbox: MailboxCapability<unknown>,
  call: ProviderCall<unknown>,
  folder: string,
  oldest: Oldest,
): Promise<number> {
  const { tenantId, id } = channel.facts;
  const lease = await acquireCursor(deps.db, tenantId, id, folder);
  const held: HeldSources = new Map();
  const ingestion = new Ingestion(deps, channel, heartbeat, held);
  let taking: Promise<void> = Promise.resolve();
  try {
    for await (const batch of mailbox.fetch(call, folder, lease.cursor)) {
      const fresh = await storeBatch(batch);
      if (fresh === null) break;
      heartbeat();
      await batch.stored?.();
      await taking;
      if (fresh.size > 0) taking = ingestion.takeStaged();
      // It is awaited a batch later; without this a failure in between would count as unhandled.
      taking.catch(() => {});
    }
    await taking;
    return await ingestion.end();
  } finally {
    await taking.catch(() => {});
    await ingestion.settled();
  }

  /** Null where the channel runs no more. */
  async function storeBatch(batch: FetchedBatch): Promise<ReadonlySet<SourceId> | null> {
    const receipts = await Promise.all(
      batch.items.map(async (item) => ({
        ...item,
        source: await inMemoryOrStored(deps, tenantId, item.source),
      })),
    );
    return inTenant(deps.db, tenantId, async (tx) => {
      if (!(await isRunning(tx, id))) return null;
      const staged = await stageReceipts(tx, tenantId, id, receipts);
      await advanceCursor(tx, id, lease, batch.cursor);
      if (batch.progress) await recordImport(tx, id, batch.progress);
      // Before the commit: an ingestion under way may see the sources right after it.
      hold(staged, batch);
      return staged.fresh;
    });
  }

  function hold({ sourceIds, fresh }: Staged, { items }: FetchedBatch): void {
    for (const [place, { source, receivedAt }] of items.entries()) {
      const id = sourceIds[place]!;
      if (fresh.has(id)) oldest.note(receivedAt);
      if (Buffer.isBuffer(source) && fresh.has(id)) held.set(id, source);
    }
  }
}

/** When the oldest mail of a sync reached the vendor. */
export class Oldest {
  #at: Date | null = null;

  note(at: Date): void {
    if (this.#at === null || at < this.#at) this.#at = at;
  }

  told(): { oldestAt?: string } {
    return this.#at === null ? {} : { oldestAt: this.#at.toISOString() };
  }
}

async function inMemoryOrStored(
  deps: Deps,
  tenantId: TenantId,
  source: FetchedBatch['items'][number]['source'],
) {
  if (Buffer.isBuffer(source)) return source;
  return putBlob(deps.db, tenantId, source, deps.config.smtp.maxBytes);
}

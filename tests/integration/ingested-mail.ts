import type { Deps } from '../../activities/deps.ts';
import { ingestStaged } from '../../activities/ingestion.ts';
import { inTenant, type Db } from '../../db/connection.ts';
import { loadChannel, type LoadedChannel } from '../../db/queries/channels.ts';
import { stageReceipts, type Receipt } from '../../db/queries/sources.ts';
import { newId, type TenantId } from '../../domain/ids.ts';
import { RightOfWay } from '../../domain/right-of-way.ts';
import type { KeyRing } from '../../security/key-ring.ts';
import { createLogger } from '../../telemetry/log.ts';
import type { PendingWork } from '../../workflows/contracts/relay.ts';

/** All that the ingestion of mail needs. @param flushed takes what is left for Temporal */
export function ingestionDeps(db: Db, keys: KeyRing, flushed: PendingWork[] = []): Deps {
  return {
    db,
    keys,
    log: createLogger('fatal'),
    way: new RightOfWay(),
    relay: {
      flush: (work: PendingWork) => Promise.resolve(void flushed.push(work)),
      command: () => Promise.reject(new Error('no commands here')),
      workflowUrl: (id: string) => id,
    },
  } as unknown as Deps; // it needs no network and no configuration
}

interface MailChannel {
  /** Default one of its own. */
  readonly address?: string;
  /** Which of them no other channel has: default the one. */
  readonly addresses?: readonly string[];
  readonly settings?: object;
  readonly rules?: object | null;
}

/** A channel that mail comes to. */
export async function mailChannel(
  { db, keys }: Pick<Deps, 'db' | 'keys'>,
  tenantId: TenantId,
  { address, addresses, settings = {}, rules = null }: MailChannel = {},
): Promise<LoadedChannel> {
  const id = newId('channel');
  const at = address ?? `${id.toLowerCase().replace('_', '-')}@shop.example`;
  const shown = { provider: 'smtp', name: 'Support', address: at };
  const json = { settings: JSON.stringify(settings), rules: rules && JSON.stringify(rules) };
  await inTenant(db, tenantId, async (tx) => {
    await tx
      .insertInto('channels')
      .values({ id, tenant_id: tenantId, ...shown, ...json })
      .execute();
    for (const one of addresses ?? [at])
      await tx
        .insertInto('channel_addresses')
        .values({ address: one, tenant_id: tenantId, channel_id: id })
        .onConflict((oc) => oc.doNothing())
        .execute();
  });
  return (await loadChannel(db, keys, tenantId, id))!;
}

/** Stages mails as one call's, and ingests what is staged. */
export async function receiveMail(
  deps: Deps,
  channel: LoadedChannel,
  ...mails: (Buffer | Receipt)[]
): Promise<void> {
  const { tenantId, id } = channel.facts;
  const receipts = mails.map((mail): Receipt => {
    if (!Buffer.isBuffer(mail)) return mail;
    return { source: mail, providerMessageId: null, receivedAt: new Date() };
  });
  await inTenant(deps.db, tenantId, (tx) => stageReceipts(tx, tenantId, id, receipts));
  await ingestStaged(deps, channel, () => {});
}

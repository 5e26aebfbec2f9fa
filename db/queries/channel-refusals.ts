import type { ChannelId, TenantId } from '../../domain/ids.ts';
import {
  afterTrial,
  type Refusal,
  type Refusals,
  type Trial,
  type VendorRequestKind,
} from '../../domain/refusal.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import { releaseMissingMedia } from './pending-media.ts';
import { Pending } from './outbox.ts';

interface Channel {
  readonly tenantId: TenantId;
  readonly id: ChannelId;
}

interface Asked {
  readonly facts: Channel;
  /** As it was loaded. */
  readonly version: number;
}

/**
 * Notes with the channel what its vendor refuses, unless an admin has changed it since it was asked. Its workflow is
 * nudged, to say so, only where that is news: a hundred answers that are refused alike are one trouble.
 */
export async function noteRefusal(
  db: Db,
  { facts, version }: Asked,
  kind: VendorRequestKind,
  { code, message }: { readonly code: string; readonly message: string },
): Promise<Pending> {
  const now = new Date().toISOString();
  return change(db, facts, (refusals, current) => {
    if (current !== version) return { refusals, isNews: false };
    const before = refusals[kind];
    const isKnown = before?.type === code && before.detail === message;
    const news = { type: code, detail: message, version, met_at: now };
    const refusal: Refusal = isKnown
      ? { ...before, ...news }
      : { ...news, since: before?.since ?? now, tried: null, seen: false };
    return { refusals: { ...refusals, [kind]: refusal }, isNews: !isKnown };
  });
}

/** The vendor did what it had refused. */
export async function forgetRefusal(
  db: Db,
  channel: Channel,
  kind: VendorRequestKind,
): Promise<Pending> {
  return change(db, channel, ({ [kind]: gone, ...refusals }) => ({
    refusals,
    isNews: gone !== undefined,
  }));
}

/**
 * Writes what a trial of the credentials leaves of a channel's refusals, and returns that. Of settings that an admin has
 * changed meanwhile it says nothing: they are still to be tried.
 */
export async function keepTrial(
  db: Db,
  { facts, version }: Asked,
  trial: Trial,
  begun: Date,
): Promise<Refusals> {
  let left: Refusals = {};
  await change(db, facts, (refusals, current) => {
    const isOfNow = current === version;
    left = isOfNow ? afterTrial(refusals, trial, { version, begun, now: new Date() }) : refusals;
    return { refusals: left, isNews: false };
  });
  return left;
}

async function change(
  db: Db,
  { tenantId, id }: Channel,
  decide: (refusals: Refusals, version: number) => { refusals: Refusals; isNews: boolean },
): Promise<Pending> {
  const pending = new Pending(tenantId);
  await inTenant(db, tenantId, async (tx) => {
    const row = await tx
      .selectFrom('channels')
      .select(['provider', 'refusals', 'version'])
      .where('id', '=', id)
      .where('deleted_at', 'is', null)
      .forUpdate()
      .executeTakeFirst();
    if (!row) return;
    const { refusals, isNews } = decide(row.refusals, row.version);
    await tx
      .updateTable('channels')
      .set({ refusals: JSON.stringify(refusals) })
      .where('id', '=', id)
      .execute();
    await releaseWhatWaited(tx, id, row.refusals, refusals);
    if (isNews) await pending.channel(tx, id, row.provider, false);
  });
  return pending;
}

/** Files that could not be fetched for a refusal that is gone are fetched now. */
async function releaseWhatWaited(
  tx: Tx,
  channelId: ChannelId,
  { file: before }: Refusals,
  { file: after }: Refusals,
): Promise<void> {
  if (before && !after) await releaseMissingMedia(tx, channelId, before.type);
}

import { sql } from 'kysely';
import type { ChannelId, TenantId } from '../../domain/ids.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import { writeEvents } from './events.ts';
import { Pending } from './outbox.ts';

/** As `GET /v1/channels/{id}/status` names them. */
export type ChannelState =
  | 'stopped'
  | 'connecting'
  | 'importing'
  | 'watching'
  | 'paused'
  | 'backing_off'
  | 'needs_attention';

export interface ChannelStateReport {
  readonly state: ChannelState;
  /** Plain words for the admin. */
  readonly detail: string;
  readonly error: { readonly type: string; readonly detail: string } | null;
  readonly nextSweepAt: string | null;
}

/**
 * Writes what the mailbox workflow says, unless the admin wants something else by now; raises
 * `channel.needs_attention` and `channel.recovered` as the channel goes in and out of trouble.
 */
export async function recordChannelState(
  db: Db,
  tenantId: TenantId,
  channelId: ChannelId,
  report: ChannelStateReport,
): Promise<Pending> {
  const pending = new Pending(tenantId);
  await inTenant(db, tenantId, async (tx) => {
    const before = await tx
      .selectFrom('channels')
      .select(['name', 'provider', 'attention_since', 'desired_state'])
      .where('id', '=', channelId)
      .forUpdate()
      .executeTakeFirst();
    if (!before || before.desired_state !== 'running') return;
    await tx
      .updateTable('channels')
      .set({
        state: report.state,
        detail: report.detail,
        next_sweep_at: report.nextSweepAt,
        ...(report.error
          ? { last_error: JSON.stringify({ ...report.error, at: new Date() }) }
          : {}),
        ...(report.state === 'watching'
          ? { import: null, attention_since: null, trouble_since: null }
          : {}),
        ...(report.state === 'needs_attention' || report.state === 'backing_off'
          ? { trouble_since: sql<Date>`coalesce(trouble_since, now())` }
          : {}),
        ...(report.state === 'needs_attention'
          ? { attention_since: sql<Date>`coalesce(attention_since, now())` }
          : {}),
      })
      .where('id', '=', channelId)
      .execute();
    const type = transition(before.attention_since !== null, report.state);
    if (!type) return;
    const channel = {
      id: channelId,
      name: before.name,
      provider: before.provider,
      state: report.state,
      detail: report.detail,
    };
    await writeEvents(tx, pending, [{ type, ticketId: null, sequence: null, data: { channel } }]);
  });
  return pending;
}

function transition(
  inTrouble: boolean,
  after: ChannelState,
): 'channel.needs_attention' | 'channel.recovered' | null {
  if (!inTrouble && after === 'needs_attention') return 'channel.needs_attention';
  return inTrouble && after === 'watching' ? 'channel.recovered' : null;
}

/** Shows a first import's progress. */
export async function recordImport(
  tx: Tx,
  channelId: ChannelId,
  progress: { readonly done: number; readonly total: number },
): Promise<void> {
  await tx
    .updateTable('channels')
    .set({
      import: JSON.stringify(progress),
      state: sql`case when desired_state = 'running' then 'importing' else state end`,
      detail: sql`case when desired_state = 'running' then ${`Importing: ${progress.done} of ${progress.total} messages.`} else detail end`,
    })
    .where('id', '=', channelId)
    .execute();
}

/** Whether the admin still wants the channel to run; read in the transaction that stores a batch. */
export async function isRunning(tx: Tx, channelId: ChannelId): Promise<boolean> {
  const row = await tx
    .selectFrom('channels')
    .select('desired_state')
    .where('id', '=', channelId)
    .executeTakeFirst();
  return row?.desired_state === 'running';
}

/** A sync has ended that began when this many had been asked for; whoever waits for it sees that. */
export async function answerSyncs(
  db: Db,
  tenantId: TenantId,
  channelId: ChannelId,
  requested: number,
): Promise<void> {
  await inTenant(db, tenantId, (tx) =>
    tx
      .updateTable('channels')
      .set({ sync_answered: requested })
      .where('id', '=', channelId)
      .where('sync_answered', '<', requested)
      .execute(),
  );
}

import { sql, type UpdateObject } from 'kysely';
import type { ChannelId, TenantId } from '../../domain/ids.ts';
import type { News } from '../../providers/contract.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import type { Database } from '../schema.ts';
import { UNREAD_HEALTH } from './account-health.ts';
import { claimAccount } from './channel-accounts.ts';
import { claimAddresses, freeAddresses, type ClaimedAddresses } from './channel-addresses.ts';
import { consentedAccount, forgetTokens } from './channel-tokens.ts';
import { forgetCredentials } from './channel-watch.ts';
import { lockChannel, type ChannelRow, type DesiredState } from './channels.ts';
import { doorColumns, type DoorHashes } from './door-keys.ts';
import { Pending } from './outbox.ts';

// What is wanted of a channel: written in one transaction with the word to its workflow.

export interface ChannelChange {
  readonly name?: string;
  readonly address?: string | null;
  readonly addresses?: ClaimedAddresses;
  readonly settings?: Record<string, unknown>;
  readonly secrets?: Buffer | null;
  readonly rules?: unknown;
  readonly desiredState?: DesiredState;
  /** Where nobody has consented: by a consent it is what the vendor said. */
  readonly account?: string | null;
  /** No other channel of the tenant may be of the account. */
  readonly isSole?: boolean;
  /** Of the settings as they are now. */
  readonly doorHashes?: DoorHashes | null;
  /** Kept tokens that the change makes useless. */
  readonly forget?: 'access' | 'all' | null;
  /** A running channel is to connect anew; false where only its name changed. */
  readonly reconnects: boolean;
}

/**
 * Writes what an admin changed and tells the workflow. `change` sees the locked row, so that two admins' merges
 * don't overwrite each other. Null where there is no such channel.
 * @throws AddressTaken, AccountTaken
 */
export async function changeChannel(
  db: Db,
  tenantId: TenantId,
  channelId: string,
  change: (row: ChannelRow) => ChannelChange,
): Promise<{ row: ChannelRow; pending: Pending } | null> {
  const pending = new Pending(tenantId);
  const row = await inTenant(db, tenantId, async (tx) => {
    const before = await lockChannel(tx, channelId);
    if (!before) return null;
    const {
      addresses,
      settings,
      rules,
      desiredState,
      reconnects,
      account,
      isSole,
      forget,
      ...rest
    } = change(before);
    // Hashes of other secrets would lead astray: without new ones they are made later.
    const { doorHashes = rest.secrets === undefined ? undefined : null, ...plain } = rest;
    if (forget) await forgetTokens(tx, channelId, forget);
    const consented = await consentedAccount(tx, channelId);
    const desired = desiredState ?? before.desired_state;
    if (isSole && account && account !== before.account)
      await claimAccount(tx, tenantId, { id: channelId, provider: before.provider, account });
    if (addresses) {
      await freeAddresses(tx, channelId);
      await claimAddresses(tx, tenantId, channelId, addresses);
    }
    return update(tx, pending, before, {
      ...plain,
      ...(account === undefined || consented !== null ? {} : { account }),
      ...(account === undefined || account === before.account ? {} : UNREAD_HEALTH),
      ...(settings === undefined ? {} : { settings: JSON.stringify(settings) }),
      ...(doorHashes === undefined ? {} : doorColumns(doorHashes)),
      // The vendor is asked again whether the subscription fits what is wanted now.
      ...(forget ? { watch_expires_at: null } : {}),
      ...(rules === undefined ? {} : { rules: rules === null ? null : JSON.stringify(rules) }),
      ...(desired !== before.desired_state || (reconnects && desired === 'running')
        ? { desired_state: desired, ...SHOWN_AT_ONCE[desired] }
        : {}),
      ...(reconnects ? ACCOUNT_READ_NOW : {}),
    });
  });
  return row && { row, pending };
}

/**
 * What is read of an account now and then is due: other settings may be of another account, or end what kept it from being
 * read. What was never read stays so.
 */
const ACCOUNT_READ_NOW = {
  templates_due_at: readNow('templates_due_at'),
  health_due_at: readNow('health_due_at'),
};

function readNow(column: 'templates_due_at' | 'health_due_at') {
  return sql<Date | null>`case when ${sql.ref(column)} is not null then now() end`;
}

const CONNECTING = { state: 'connecting', detail: 'Waiting for its worker.', last_error: null };
/** What an admin sees until the workflow tells better. */
export const SHOWN_AT_ONCE = {
  running: CONNECTING,
  paused: { state: 'paused', detail: 'Paused by an admin.', next_sweep_at: null },
  stopped: { state: 'stopped', detail: 'Stopped by an admin.', next_sweep_at: null },
} as const;

/**
 * Writes what the admin wants; the state is shown at once and the workflow follows. Without effect where it is so
 * already, except that `running` tries a channel in trouble again; refused where what was wanted so far is not one
 * of `from`. Null where there is no such channel.
 */
export async function wantState(
  db: Db,
  tenantId: TenantId,
  channelId: string,
  desired: DesiredState,
  from?: readonly DesiredState[],
): Promise<{ row: ChannelRow; pending: Pending; refused: boolean } | null> {
  const pending = new Pending(tenantId);
  return inTenant(db, tenantId, async (tx) => {
    const before = await lockChannel(tx, channelId);
    if (!before) return null;
    if (from && !from.includes(before.desired_state))
      return { row: before, pending, refused: true };
    const inTrouble = before.state === 'needs_attention' || before.state === 'backing_off';
    if (before.desired_state === desired && !(desired === 'running' && inTrouble))
      return { row: before, pending, refused: false };
    const row = await update(tx, pending, before, {
      desired_state: desired,
      ...SHOWN_AT_ONCE[desired],
      ...(desired === 'running' ? ACCOUNT_READ_NOW : {}),
    });
    return { row, pending, refused: false };
  });
}

/** Writes a locked channel's change, and leaves its workflow to be told. */
export async function update(
  tx: Tx,
  pending: Pending,
  before: ChannelRow,
  values: UpdateObject<Database, 'channels'>,
): Promise<ChannelRow> {
  const row = await tx
    .updateTable('channels')
    .set({ ...values, version: sql`version + 1`, updated_at: sql<Date>`now()` })
    .where('id', '=', before.id)
    .returningAll()
    .executeTakeFirstOrThrow();
  await pending.channel(tx, before.id, before.provider, true);
  return row;
}

/** Asks for a sync now of all running channels, or of those named. */
export async function requestSync(
  db: Db,
  tenantId: TenantId,
  { channelId, provider }: { channelId?: string; provider?: string },
): Promise<{ rows: ChannelRow[]; pending: Pending }> {
  const pending = new Pending(tenantId);
  const rows = await inTenant(db, tenantId, async (tx) => {
    const synced = await tx
      .updateTable('channels')
      .set({ sync_requested: sql`sync_requested + 1` })
      .where('tenant_id', '=', tenantId)
      .where('deleted_at', 'is', null)
      .where('desired_state', '=', 'running')
      .$if(channelId !== undefined, (query) => query.where('id', '=', channelId!))
      .$if(provider !== undefined, (query) => query.where('provider', '=', provider!))
      .returningAll()
      .execute();
    for (const row of synced) await pending.channel(tx, row.id, row.provider, false);
    return synced;
  });
  return { rows, pending };
}

/** Soft: its messages stay, its addresses are free again, its workflow is told to end what there is at the vendor, and itself. */
export async function deleteChannel(
  db: Db,
  tenantId: TenantId,
  channelId: string,
): Promise<Pending | null> {
  const pending = new Pending(tenantId);
  return inTenant(db, tenantId, async (tx) => {
    const before = await lockChannel(tx, channelId);
    if (!before) return null;
    await freeAddresses(tx, channelId);
    await update(tx, pending, before, {
      desired_state: 'stopped',
      ...SHOWN_AT_ONCE.stopped,
      ingress_token_hash: null,
      ...doorColumns(null),
      deleted_at: new Date(),
    });
    // Its workflow needs them to end a push subscription, and forgets them then.
    if (before.watch_renewed_at === null) await forgetCredentials(tx, channelId);
    return pending;
  });
}

/**
 * A vendor called: there is mail to fetch, its push subscription is to be made anew, or what is read of the account now and
 * then is to be read at once.
 */
export async function noteNews(
  db: Db,
  { tenantId, id }: { tenantId: TenantId; id: ChannelId },
  provider: string,
  news: News,
): Promise<Pending> {
  const pending = new Pending(tenantId);
  await inTenant(db, tenantId, async (tx) => {
    if (news === 'account') await readAccountNow(tx, id);
    await pending.channel(tx, id, provider, false, news === 'account' ? undefined : news);
  });
  return pending;
}

/** What is being read just now is due once more: it may have been asked for before the news. */
async function readAccountNow(tx: Tx, id: ChannelId): Promise<void> {
  await tx
    .updateTable('channels')
    .set({ templates_due_at: sql<Date>`now()`, health_due_at: sql<Date>`now()` })
    .where('id', '=', id)
    .execute();
}

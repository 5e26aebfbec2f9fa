import type { Selectable } from 'kysely';
import type { AccountHealth } from '../../domain/account-health.ts';
import type { ChannelId, TenantId } from '../../domain/ids.ts';
import type { Refusals } from '../../domain/refusal.ts';
import type { KeyRing } from '../../security/key-ring.ts';
import { mergeSecrets } from '../../security/settings-secrets.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import type { Database } from '../schema.ts';
import { claimAccount } from './channel-accounts.ts';
import { claimAddresses, type ClaimedAddresses } from './channel-addresses.ts';
import { doorColumns, type DoorHashes } from './door-keys.ts';
import { Pending } from './outbox.ts';

export type ChannelRow = Selectable<Database['channels']>;
export type DesiredState = ChannelRow['desired_state'];
type JsonObject = Record<string, unknown>;

const SECRETS_PURPOSE = 'channel';

/** A channel as activities and doors use it: secrets opened and put back into the settings. */
export interface LoadedChannel {
  readonly facts: {
    readonly id: ChannelId;
    readonly tenantId: TenantId;
    readonly name: string;
    readonly address: string | null;
    readonly createdAt: Date;
  };
  readonly provider: string;
  /** As the admin wrote them, secrets in place; `createCall` parses them with the provider's schema. */
  readonly settings: JsonObject;
  readonly rules: unknown;
  /** The vendor's own name of the account. */
  readonly account: string | null;
  /** How the account stood with its vendor when it was last read. */
  readonly health: AccountHealth | null;
  /** What the provider keeps of its push subscription. */
  readonly watch: unknown;
  /** When it was last asked for, and how long it lasts; null where there is none. */
  readonly watchRenewedAt: Date | null;
  readonly watchExpiresAt: Date | null;
  readonly ingressTokenHash: Buffer | null;
  readonly desiredState: DesiredState;
  readonly state: string;
  readonly syncRequested: number;
  readonly syncAnswered: number;
  /** What its vendor refuses. */
  readonly refusals: Refusals;
  readonly version: number;
}

/** Also one that was deleted: for what its workflow still has to end. */
export async function loadChannelOrRemains(
  db: Db,
  keys: KeyRing,
  tenantId: TenantId,
  channelId: string,
): Promise<LoadedChannel | null> {
  const row = await inTenant(db, tenantId, (tx) =>
    tx.selectFrom('channels').selectAll().where('id', '=', channelId).executeTakeFirst(),
  );
  return row ? openChannel(row, keys) : null;
}

/** A live channel of the tenant, or null. */
export async function loadChannel(
  db: Db,
  keys: KeyRing,
  tenantId: TenantId,
  channelId: string,
): Promise<LoadedChannel | null> {
  const row = await findChannel(db, tenantId, channelId);
  return row ? openChannel(row, keys) : null;
}

export function openChannel(row: ChannelRow, keys: KeyRing): LoadedChannel {
  const id = row.id as ChannelId;
  return {
    facts: {
      id,
      tenantId: row.tenant_id as TenantId,
      name: row.name,
      address: row.address,
      createdAt: row.created_at,
    },
    provider: row.provider,
    settings: mergeSecrets(row.settings, openSecrets(row, keys)),
    rules: row.rules,
    account: row.account,
    health: row.health,
    watch: row.watch,
    watchRenewedAt: row.watch_renewed_at,
    watchExpiresAt: row.watch_expires_at,
    ingressTokenHash: row.ingress_token_hash,
    desiredState: row.desired_state,
    state: row.state,
    syncRequested: row.sync_requested,
    syncAnswered: row.sync_answered,
    refusals: row.refusals,
    version: row.version,
  };
}

/** Sealed secrets by their path in the settings: `{"smtp.password": "…"}`. */
export function openSecrets(
  row: Pick<ChannelRow, 'id' | 'secrets'>,
  keys: KeyRing,
): Record<string, unknown> {
  if (row.secrets === null) return {};
  return keys.openJson(SECRETS_PURPOSE, row.secrets, row.id) as Record<string, unknown>; // sealSecrets wrote it
}

export function sealSecrets(
  secrets: Readonly<Record<string, unknown>>,
  channelId: string,
  keys: KeyRing,
): Buffer | null {
  return Object.keys(secrets).length === 0
    ? null
    : keys.sealJson(SECRETS_PURPOSE, secrets, channelId);
}

export async function findChannel(
  db: Db,
  tenantId: TenantId,
  channelId: string,
): Promise<ChannelRow | null> {
  return inTenant(db, tenantId, async (tx) => (await selectChannel(tx, channelId)) ?? null);
}

function selectChannel(tx: Tx, channelId: string) {
  return tx
    .selectFrom('channels')
    .selectAll()
    .where('id', '=', channelId)
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
}

/** The same, its row locked until the transaction ends. */
export async function lockChannel(tx: Tx, channelId: string): Promise<ChannelRow | undefined> {
  return tx
    .selectFrom('channels')
    .selectAll()
    .where('id', '=', channelId)
    .where('deleted_at', 'is', null)
    .forUpdate()
    .executeTakeFirst();
}

/** Live channels, oldest first. @param after id of the last one shown. */
export async function listChannels(
  db: Db,
  tenantId: TenantId,
  { after, limit, provider }: { after: string | null; limit: number; provider?: string },
): Promise<ChannelRow[]> {
  return inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('channels')
      .selectAll()
      .where('deleted_at', 'is', null)
      .$if(provider !== undefined, (query) => query.where('provider', '=', provider!))
      .$if(after !== null, (query) => query.where('id', '>', after!))
      .orderBy('id')
      .limit(limit)
      .execute(),
  );
}

export interface NewChannel {
  readonly id: ChannelId;
  readonly provider: string;
  readonly name: string;
  readonly address: string | null;
  readonly addresses: ClaimedAddresses;
  /** The vendor's own name of the account, where its door tells channels apart by it. */
  readonly account?: string | null;
  /** No other channel of the tenant may be of the account. */
  readonly isSole?: boolean;
  /** By what its vendor's shared door knows a call that names no account of ours. */
  readonly doorHashes?: DoorHashes | null;
  readonly settings: JsonObject;
  readonly secrets: Buffer | null;
  readonly rules: unknown;
  readonly ingressTokenHash: Buffer | null;
  readonly desiredState: DesiredState;
  readonly state: string;
  readonly detail: string;
  readonly lastError: { type: string; detail: string; at: string } | null;
}

/**
 * Inserts a channel and leaves its workflow to be started; a repeat with the same id finds the first one.
 * @throws AddressTaken, AccountTaken
 */
export async function createChannel(
  db: Db,
  tenantId: TenantId,
  channel: NewChannel,
): Promise<{ row: ChannelRow; pending: Pending }> {
  const pending = new Pending(tenantId);
  const { id, provider, account = null } = channel;
  const row = await inTenant(db, tenantId, async (tx) => {
    if (channel.isSole && account !== null)
      await claimAccount(tx, tenantId, { id, provider, account });
    const inserted = await tx
      .insertInto('channels')
      .values({
        id: channel.id,
        tenant_id: tenantId,
        provider: channel.provider,
        name: channel.name,
        address: channel.address,
        account,
        ...doorColumns(channel.doorHashes ?? null),
        settings: JSON.stringify(channel.settings),
        secrets: channel.secrets,
        rules: channel.rules == null ? null : JSON.stringify(channel.rules),
        ingress_token_hash: channel.ingressTokenHash,
        desired_state: channel.desiredState,
        state: channel.state,
        detail: channel.detail,
        last_error: channel.lastError && JSON.stringify(channel.lastError),
      })
      // The answer to the first try never arrived: the door's token that is shown now is the one that counts.
      .onConflict((oc) =>
        oc.column('id').doUpdateSet({ ingress_token_hash: channel.ingressTokenHash }),
      )
      .returningAll()
      .executeTakeFirstOrThrow();
    await claimAddresses(tx, tenantId, channel.id, channel.addresses);
    await pending.channel(tx, channel.id, channel.provider, true);
    return inserted;
  });
  return { row, pending };
}

/** How many of a channel's receipts could not be processed. */
export async function countSetAside(
  db: Db,
  tenantId: TenantId,
  channelId: string,
): Promise<number> {
  const row = await inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('sources')
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .where('tenant_id', '=', tenantId)
      .where('status', '=', 'set_aside')
      .where('channel_id', '=', channelId)
      .executeTakeFirstOrThrow(),
  );
  return row.count;
}

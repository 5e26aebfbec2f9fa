import { sql } from 'kysely';
import type { ChannelId, TenantId } from '../../domain/ids.ts';
import type { Db } from '../connection.ts';

// Asked before any tenant is known: only ids come back.

export interface ChannelPlace {
  readonly tenantId: TenantId;
  readonly channelId: ChannelId;
  /** Rises with each change of it; left out where it was not asked for. */
  readonly version?: number;
}

/** The tenant that a live channel belongs to, asked before any tenant is known. */
export async function resolveChannel(db: Db, channelId: string): Promise<TenantId | null> {
  const { rows } = await sql<{ tenant_id: TenantId }>`
    select tenant_id from resolve_channel(${channelId})`.execute(db);
  return rows[0]?.tenant_id ?? null;
}

/** Channels of this account at the vendor, over all tenants: a claim says which, and proves nothing. */
export async function resolveAccount(
  db: Db,
  provider: string,
  account: string,
): Promise<ChannelPlace[]> {
  const { rows } = await sql<{ tenant_id: TenantId; channel_id: ChannelId; version: number }>`
    select tenant_id, channel_id, version from channels_of_account(${provider}, ${account})`.execute(
    db,
  );
  return rows.map(({ tenant_id: tenantId, channel_id: channelId, version }) => ({
    tenantId,
    channelId,
    version,
  }));
}

/** The newest channels of a provider, over all tenants. */
export async function channelsOfProvider(
  db: Db,
  provider: string,
  atMost: number,
): Promise<ChannelPlace[]> {
  const { rows } = await sql<{ tenant_id: TenantId; channel_id: ChannelId }>`
    select * from channels_of_provider(${provider}, ${atMost})`.execute(db);
  return rows.map((row) => ({ tenantId: row.tenant_id, channelId: row.channel_id }));
}

/** The channel whose door a token opens, asked before any tenant is known. */
export async function resolveIngressToken(
  db: Db,
  tokenHash: Buffer,
): Promise<{ tenantId: TenantId; channelId: ChannelId } | null> {
  const { rows } = await sql<{ tenant_id: TenantId; channel_id: ChannelId }>`
    select tenant_id, channel_id from resolve_ingress_token(${tokenHash})`.execute(db);
  return rows[0] ? { tenantId: rows[0].tenant_id, channelId: rows[0].channel_id } : null;
}

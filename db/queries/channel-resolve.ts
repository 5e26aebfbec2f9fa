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

/** Channels of these accounts at the vendor, over all tenants: a claim says which, and proves nothing. */
export async function resolveAccounts(
  db: Db,
  provider: string,
  accounts: readonly string[],
): Promise<(ChannelPlace & { readonly account: string })[]> {
  if (accounts.length === 0) return [];
  const { rows } = await sql<{
    account: string;
    tenant_id: TenantId;
    channel_id: ChannelId;
    version: number;
  }>`
    select account, tenant_id, channel_id, version
      from channels_of_accounts(${provider}, ${accounts})`.execute(db);
  return rows.map(({ account, tenant_id: tenantId, channel_id: channelId, version }) => ({
    account,
    tenantId,
    channelId,
    version,
  }));
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

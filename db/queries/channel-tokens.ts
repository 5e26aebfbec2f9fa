import { sql } from 'kysely';
import type { ChannelId, TenantId } from '../../domain/ids.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';

/** How long a renewal is believed to be under way without a sign of life. */
const LEASE = '15 seconds';
/** A token that ends sooner is renewed before it is used. */
const AHEAD = '60 seconds';

export interface ChannelRef {
  readonly tenantId: TenantId;
  readonly id: ChannelId;
}

/** Tokens of a channel as they are kept: sealed. */
export interface TokensRow {
  readonly access_token: Buffer | null;
  readonly refresh_token: Buffer | null;
  readonly fence: number;
  /** Good for another minute. */
  readonly is_fresh: boolean;
  readonly is_valid: boolean;
  /** Somebody is renewing. */
  readonly is_leased: boolean;
  readonly failure: unknown;
  readonly failed_fence: number | null;
  /** The failure holds for who asks now, too. */
  readonly failure_holds: boolean;
}

export async function readTokens(db: Db, { tenantId, id }: ChannelRef): Promise<TokensRow | null> {
  const { rows } = await inTenant(db, tenantId, (tx) =>
    sql<TokensRow>`
      select access_token, refresh_token, fence, failure, failed_fence,
             coalesce(access_token is not null and expires_at > now() + ${AHEAD}::interval, false) as is_fresh,
             coalesce(access_token is not null and expires_at > now(), false) as is_valid,
             coalesce(leased_until > now(), false) as is_leased,
             coalesce(failed_until > now(), false) as failure_holds
        from channel_tokens where channel_id = ${id}`.execute(tx),
  );
  return rows[0] ?? null;
}

/** Takes the renewal on, unless somebody else has since `seenFence`. */
export async function claimRenewal(
  db: Db,
  { tenantId, id }: ChannelRef,
  seenFence: number,
): Promise<{ fence: number; refresh_token: Buffer | null } | null> {
  const { rows } = await inTenant(db, tenantId, (tx) =>
    sql<{ fence: number; refresh_token: Buffer | null }>`
      insert into channel_tokens (channel_id, tenant_id, fence, leased_until)
      values (${id}, ${tenantId}, 1, now() + ${LEASE}::interval)
      on conflict (channel_id) do update
        set fence = channel_tokens.fence + 1, leased_until = excluded.leased_until
        where channel_tokens.fence = ${seenFence}
          and (channel_tokens.leased_until is null or channel_tokens.leased_until < now())
      returning fence, refresh_token`.execute(tx),
  );
  return rows[0] ?? null;
}

export async function extendRenewal(
  db: Db,
  { tenantId, id }: ChannelRef,
  fence: number,
): Promise<void> {
  await inTenant(db, tenantId, (tx) =>
    sql`update channel_tokens set leased_until = now() + ${LEASE}::interval
         where channel_id = ${id} and fence = ${fence} and leased_until is not null`.execute(tx),
  );
}

export interface SealedTokens {
  readonly accessToken: Buffer;
  readonly expiresAt: Date;
  /** Null: the one that is kept stays. */
  readonly refreshToken: Buffer | null;
}

/** Keeps what a renewal brought. Without effect where another caller's, or an admin's change, has come in between. */
export async function keepRenewed(
  db: Db,
  { tenantId, id }: ChannelRef,
  fence: number,
  tokens: SealedTokens,
): Promise<void> {
  await inTenant(db, tenantId, (tx) =>
    sql`update channel_tokens
           set access_token = ${tokens.accessToken}, expires_at = ${tokens.expiresAt},
               refresh_token = coalesce(${tokens.refreshToken}::bytea, refresh_token),
               leased_until = null, failure = null, failed_fence = null, failed_until = null
         where channel_id = ${id} and fence = ${fence}`.execute(tx),
  );
}

/** Ends a renewal that failed; who waited for it, and who comes within `holdsMs`, meets the same failure. */
export async function endRenewal(
  db: Db,
  { tenantId, id }: ChannelRef,
  fence: number,
  failure: { readonly told: unknown; readonly holdsMs: number } | null,
): Promise<void> {
  await inTenant(db, tenantId, (tx) =>
    sql`update channel_tokens
           set leased_until = null, failed_fence = ${failure ? fence : null},
               failure = ${failure ? JSON.stringify(failure.told) : null}::jsonb,
               failed_until = now() + ${failure?.holdsMs ?? null} * '1 millisecond'::interval
         where channel_id = ${id} and fence = ${fence}`.execute(tx),
  );
}

/** Forgets this access token (as it is sealed), unless another has taken its place. */
export async function forgetAccess(
  db: Db,
  { tenantId, id }: ChannelRef,
  sealed: Buffer,
): Promise<void> {
  await inTenant(db, tenantId, (tx) =>
    tx
      .updateTable('channel_tokens')
      .set({ access_token: null, expires_at: null })
      .where('channel_id', '=', id)
      .where('access_token', '=', sealed)
      .execute(),
  );
}

/** Keeps what a consent brought, in place of all that was. */
export async function keepConsented(
  tx: Tx,
  { tenantId, id }: ChannelRef,
  tokens: SealedTokens & { readonly account: string | null },
): Promise<void> {
  const values = {
    access_token: tokens.accessToken,
    expires_at: tokens.expiresAt,
    account: tokens.account,
    leased_until: null,
    failure: null,
    failed_fence: null,
    failed_until: null,
  };
  await tx
    .insertInto('channel_tokens')
    .values({
      ...values,
      channel_id: id,
      tenant_id: tenantId,
      refresh_token: tokens.refreshToken,
      fence: 1,
    })
    .onConflict((oc) =>
      oc.column('channel_id').doUpdateSet({
        ...values,
        refresh_token: sql`coalesce(excluded.refresh_token, channel_tokens.refresh_token)`,
        fence: sql`channel_tokens.fence + 1`,
      }),
    )
    .execute();
}

/**
 * An admin changed the settings: access tokens that were obtained with the former ones are of no use; with `all` the
 * consent isn't either. Who is renewing meanwhile renews in vain.
 */
export async function forgetTokens(
  tx: Tx,
  channelId: string,
  what: 'access' | 'all',
): Promise<void> {
  await tx
    .updateTable('channel_tokens')
    .set({
      access_token: null,
      expires_at: null,
      ...(what === 'all' ? { refresh_token: null, account: null } : {}),
      fence: sql`fence + 1`,
      leased_until: null,
      failure: null,
      failed_fence: null,
      failed_until: null,
    })
    .where('channel_id', '=', channelId)
    .execute();
}

/** Who consented to the channel's reading, as the vendor named it; null where nobody has. */
export async function consentedAccount(tx: Tx, channelId: string): Promise<string | null> {
  const row = await tx
    .selectFrom('channel_tokens')
    .select('account')
    .where('channel_id', '=', channelId)
    .executeTakeFirst();
  return row?.account ?? null;
}

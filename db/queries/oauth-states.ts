import { sql } from 'kysely';
import type { ChannelId, TenantId } from '../../domain/ids.ts';
import { inTenant, type Db } from '../connection.ts';

/** What a consent leads by: the link that an admin was given, then the state that the vendor brings back. */
export interface OauthState {
  readonly kind: 'link' | 'state';
  /** SHA-256 of what travels. */
  readonly hash: Buffer;
  readonly tenantId: TenantId;
  readonly channelId: ChannelId;
  readonly expiresAt: Date;
  /** Of the browser that it was begun in. */
  readonly sessionHash?: Buffer;
  /** Sealed, of PKCE. */
  readonly verifier?: Buffer;
  readonly redirectUri?: string;
}

export async function insertState(db: Db, state: OauthState): Promise<void> {
  await inTenant(db, state.tenantId, (tx) =>
    tx
      .insertInto('oauth_states')
      .values({
        hash: state.hash,
        tenant_id: state.tenantId,
        channel_id: state.channelId,
        kind: state.kind,
        session_hash: state.sessionHash ?? null,
        verifier: state.verifier ?? null,
        redirect_uri: state.redirectUri ?? null,
        expires_at: state.expiresAt,
      })
      .execute(),
  );
}

/** Uses a link or state, which works once; null where it is unknown, used, too old, or another browser's. */
export async function takeState(
  db: Db,
  kind: OauthState['kind'],
  hash: Buffer,
  sessionHash: Buffer | null,
): Promise<OauthState | null> {
  const { rows } = await sql<{ tenant_id: TenantId }>`
    select tenant_id from resolve_oauth_state(${hash})`.execute(db);
  const tenantId = rows[0]?.tenant_id;
  if (tenantId === undefined) return null;
  const row = await inTenant(db, tenantId, (tx) =>
    tx
      .updateTable('oauth_states')
      .set({ used_at: sql<Date>`now()` })
      .where('hash', '=', hash)
      .where('kind', '=', kind)
      .where('used_at', 'is', null)
      .where('expires_at', '>', sql<Date>`now()`)
      .$if(sessionHash !== null, (query) => query.where('session_hash', '=', sessionHash))
      .returningAll()
      .executeTakeFirst(),
  );
  if (!row) return null;
  return {
    kind,
    hash,
    tenantId,
    channelId: row.channel_id as ChannelId,
    expiresAt: row.expires_at,
    sessionHash: row.session_hash ?? undefined,
    verifier: row.verifier ?? undefined,
    redirectUri: row.redirect_uri ?? undefined,
  };
}

/** Those that nobody can use any more. */
export async function sweepStates(db: Db, tenantId: TenantId): Promise<void> {
  await inTenant(db, tenantId, (tx) =>
    sql`delete from oauth_states
         where tenant_id = ${tenantId} and expires_at < now() - '1 day'::interval`.execute(tx),
  );
}

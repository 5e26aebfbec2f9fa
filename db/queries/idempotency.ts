import { sql } from 'kysely';
import type { TenantId } from '../../domain/ids.ts';
import { inTenant, type Db } from '../connection.ts';

/** How long an answer is kept. */
const KEPT = '24 hours';
/** How long a key is locked from its claim or last renewal on: after a crash it may be taken over then. */
const LOCK = '20 seconds';
/** So often a request that is under way renews its lock, in milliseconds: several may fail before it is lost. */
export const KEY_RENEWAL_MS = 5000;

/** This request does the work; `lockedUntil` is its fence, `since` the time of the first try. */
export interface Claimed {
  readonly state: 'claimed';
  readonly lockedUntil: Date;
  readonly since: Date;
}
export type Claim =
  | Claimed
  | { readonly state: 'answered'; readonly status: number; readonly body: unknown }
  /** `retryAfterSeconds`: until the key is free, should the first request be dead. */
  | { readonly state: 'in_progress'; readonly retryAfterSeconds: number }
  | { readonly state: 'other_request' };

const lockEnd = sql<Date>`date_trunc('milliseconds', now() + ${LOCK}::interval)`;

/** Claims an Idempotency-Key for one request, or tells what became of the first one with it. */
export async function claimKey(
  db: Db,
  tenantId: TenantId,
  key: string,
  fingerprint: Buffer,
): Promise<Claim> {
  return inTenant(db, tenantId, async (tx) => {
    const fresh = await tx
      .insertInto('idempotency_keys')
      .values({ tenant_id: tenantId, key, fingerprint, locked_until: lockEnd })
      .onConflict((oc) =>
        oc
          .columns(['tenant_id', 'key'])
          .doUpdateSet({
            fingerprint,
            status: null,
            body: null,
            created_at: sql<Date>`now()`,
            locked_until: lockEnd,
          })
          .where(sql<boolean>`idempotency_keys.created_at < now() - ${KEPT}::interval`),
      )
      .returning(['locked_until', 'created_at'])
      .executeTakeFirst();
    if (fresh)
      return { state: 'claimed', lockedUntil: fresh.locked_until!, since: fresh.created_at };

    const found = await tx
      .selectFrom('idempotency_keys')
      .select(['fingerprint', 'status', 'body', 'created_at'])
      .select(
        sql<number>`ceil(extract(epoch from coalesce(locked_until, now()) - now()))::int`.as(
          'left',
        ),
      )
      .where('tenant_id', '=', tenantId)
      .where('key', '=', key)
      .forUpdate()
      .executeTakeFirstOrThrow();
    if (!found.fingerprint.equals(fingerprint)) return { state: 'other_request' };
    if (found.status !== null) return { state: 'answered', status: found.status, body: found.body };
    if (found.left > 0) return { state: 'in_progress', retryAfterSeconds: found.left };
    const taken = await tx
      .updateTable('idempotency_keys')
      .set({ locked_until: lockEnd })
      .where('tenant_id', '=', tenantId)
      .where('key', '=', key)
      .returning('locked_until')
      .executeTakeFirstOrThrow();
    return { state: 'claimed', lockedUntil: taken.locked_until!, since: found.created_at };
  });
}

/** Locks the key for longer. Returns the claim as it is now, or null where another request has taken the key over. */
export async function renewKey(
  db: Db,
  tenantId: TenantId,
  key: string,
  claim: Claimed,
): Promise<Claimed | null> {
  const row = await inTenant(db, tenantId, (tx) =>
    tx
      .updateTable('idempotency_keys')
      .set({ locked_until: lockEnd })
      .where('tenant_id', '=', tenantId)
      .where('key', '=', key)
      .where('locked_until', '=', claim.lockedUntil)
      .returning('locked_until')
      .executeTakeFirst(),
  );
  return row ? { ...claim, lockedUntil: row.locked_until! } : null;
}

/** Keeps the answer for repeats, unless another request has taken the key over meanwhile. */
export async function keepAnswer(
  db: Db,
  tenantId: TenantId,
  key: string,
  claim: Claimed,
  status: number,
  body: unknown,
): Promise<void> {
  await inTenant(db, tenantId, (tx) =>
    tx
      .updateTable('idempotency_keys')
      .set({ status, body: JSON.stringify(body), locked_until: null })
      .where('tenant_id', '=', tenantId)
      .where('key', '=', key)
      .where('locked_until', '=', claim.lockedUntil)
      .execute(),
  );
}

/**
 * Frees the key of a request that did not succeed. `mayHaveActed` keeps its row, so that the repeat still gets the
 * same ids and finds what was made.
 */
export async function freeKey(
  db: Db,
  tenantId: TenantId,
  key: string,
  claim: Claimed,
  mayHaveActed: boolean,
): Promise<void> {
  await inTenant(db, tenantId, async (tx) => {
    if (mayHaveActed)
      await tx
        .updateTable('idempotency_keys')
        .set({ locked_until: null })
        .where('tenant_id', '=', tenantId)
        .where('key', '=', key)
        .where('locked_until', '=', claim.lockedUntil)
        .execute();
    else
      await tx
        .deleteFrom('idempotency_keys')
        .where('tenant_id', '=', tenantId)
        .where('key', '=', key)
        .where('locked_until', '=', claim.lockedUntil)
        .execute();
  });
}

/** Removes keys whose answers are no longer kept. */
export async function sweepIdempotencyKeys(db: Db, tenantId: TenantId): Promise<void> {
  await inTenant(db, tenantId, (tx) =>
    tx
      .deleteFrom('idempotency_keys')
      .where('tenant_id', '=', tenantId)
      .where('created_at', '<', sql<Date>`now() - ${KEPT}::interval`)
      .execute(),
  );
}

import { sql } from 'kysely';
import type { TenantId } from '../../domain/ids.ts';
import { inTenant, type Db } from '../connection.ts';

/** How long an answer is kept. */
const KEPT = '24 hours';
/** Longer than any handler takes; after it a crashed request's key may be taken over. */
const LOCK = '90 seconds';

/** This request does the work; `lockedUntil` is its fence, `since` the time of the first try. */
export interface Claimed {
  readonly state: 'claimed';
  readonly lockedUntil: Date;
  readonly since: Date;
}
export type Claim =
  | Claimed
  | { readonly state: 'answered'; readonly status: number; readonly body: unknown }
  | { readonly state: 'in_progress'; readonly retryAfterSeconds: number }
  | { readonly state: 'other_request' };

/** Claims an Idempotency-Key for one request, or tells what became of the first one with it. */
export async function claimKey(
  db: Db,
  tenantId: TenantId,
  key: string,
  fingerprint: Buffer,
): Promise<Claim> {
  return inTenant(db, tenantId, async (tx) => {
    const until = sql<Date>`date_trunc('milliseconds', now() + ${LOCK}::interval)`;
    const fresh = await tx
      .insertInto('idempotency_keys')
      .values({ tenant_id: tenantId, key, fingerprint, locked_until: until })
      .onConflict((oc) =>
        oc
          .columns(['tenant_id', 'key'])
          .doUpdateSet({
            fingerprint,
            status: null,
            body: null,
            created_at: sql<Date>`now()`,
            locked_until: until,
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
    if (found.left > 0) return { state: 'in_progress', retryAfterSeconds: Math.min(found.left, 5) };
    const taken = await tx
      .updateTable('idempotency_keys')
      .set({ locked_until: until })
      .where('tenant_id', '=', tenantId)
      .where('key', '=', key)
      .returning('locked_until')
      .executeTakeFirstOrThrow();
    return { state: 'claimed', lockedUntil: taken.locked_until!, since: found.created_at };
  });
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

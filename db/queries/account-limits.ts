import { sql } from 'kysely';
import type { TenantId } from '../../domain/ids.ts';
import { inTenant, type Db } from '../connection.ts';

/** How long a place is held without a sign of life. */
const LEASE = '15 seconds';

/** An account at a vendor, within one tenant. */
export interface AccountRef {
  readonly tenantId: TenantId;
  /** `<provider>/<account or channel id>` */
  readonly account: string;
}

/**
 * Takes one of `most` places. `pausedMs`: how long nobody may ask the account.
 */
export async function takePlace(
  db: Db,
  { tenantId, account }: AccountRef,
  most: number,
  holder: string,
): Promise<{ place: number | null; pausedMs: number }> {
  return inTenant(db, tenantId, async (tx) => {
    const { rows } = await sql<{ place: number | null; ms: number | null }>`
      with pause as (
        select extract(epoch from paused_until - now())::float8 * 1000 as ms from account_pauses
         where tenant_id = ${tenantId} and account = ${account} and paused_until > now()
      ), taken as (
        insert into account_slots as s (tenant_id, account, place, holder, leased_until)
        select ${tenantId}, ${account}, free.place, ${holder}, now() + ${LEASE}::interval
          from generate_series(0, ${most}::int - 1) as free(place)
         where not exists (select from pause)
           and not exists (select from account_slots held
                            where held.tenant_id = ${tenantId} and held.account = ${account}
                              and held.place = free.place and held.leased_until > now())
         order by random() limit 1
        on conflict (tenant_id, account, place) do update
          set holder = excluded.holder, leased_until = excluded.leased_until
          where s.leased_until < now()
        returning s.place
      )
      select (select place from taken), (select ms from pause)`.execute(tx);
    const { place, ms } = rows[0]!;
    return { place, pausedMs: Math.ceil(ms ?? 0) };
  });
}

export async function holdPlace(
  db: Db,
  { tenantId, account }: AccountRef,
  holder: string,
): Promise<void> {
  await inTenant(db, tenantId, (tx) =>
    sql`update account_slots set leased_until = now() + ${LEASE}::interval
         where tenant_id = ${tenantId} and account = ${account} and holder = ${holder}`.execute(tx),
  );
}

export async function freePlace(
  db: Db,
  { tenantId, account }: AccountRef,
  holder: string,
): Promise<void> {
  await inTenant(db, tenantId, (tx) =>
    tx
      .deleteFrom('account_slots')
      .where('tenant_id', '=', tenantId)
      .where('account', '=', account)
      .where('holder', '=', holder)
      .execute(),
  );
}

/** A later end stands; an earlier one changes nothing. */
export async function pauseAccount(
  db: Db,
  { tenantId, account }: AccountRef,
  until: Date,
): Promise<void> {
  await inTenant(db, tenantId, (tx) =>
    tx
      .insertInto('account_pauses')
      .values({ tenant_id: tenantId, account, paused_until: until })
      .onConflict((oc) =>
        oc.columns(['tenant_id', 'account']).doUpdateSet({
          paused_until: sql`greatest(account_pauses.paused_until, excluded.paused_until)`,
        }),
      )
      .execute(),
  );
}

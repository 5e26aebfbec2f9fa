import { randomUUID } from 'node:crypto';
import { sql, type RawBuilder } from 'kysely';
import type { ChannelId, TenantId } from '../../domain/ids.ts';
import { storable } from '../../domain/mail/storable.ts';
import type { DeliveryStatus } from '../../providers/contract.ts';
import { inTenant, type Db } from '../connection.ts';
import { insertion } from './insert-rows.ts';

/** What one call of a vendor reported of our messages: kept until it is applied. */
export interface StatusReport {
  readonly id: string;
  readonly statuses: readonly DeliveryStatus[];
}

/** Reports of one channel. */
export interface ChannelReports {
  readonly tenantId: TenantId;
  readonly channelId: ChannelId;
  readonly reports: readonly StatusReport[];
}

/** How long who claimed reports has to apply them; who stores them has as long. */
const LEASE = '30 seconds';
const LONGEST_ERROR = 1_000;

/** What calls reported, to be kept by the statement, and then to be applied by who kept it. */
export function keeping(
  { tenantId, id }: { tenantId: TenantId; id: ChannelId },
  calls: readonly (readonly DeliveryStatus[])[],
): { readonly reports: StatusReport[]; readonly statements: RawBuilder<unknown>[] } {
  const reports = calls.map((statuses) => ({ id: randomUUID(), statuses: storable(statuses) }));
  const rows = reports.map((report) => ({ ...report, tenant_id: tenantId, channel_id: id }));
  return { reports, statements: rows.length > 0 ? [insertion('status_reports', rows)] : [] };
}

/** They are applied. */
export async function forgetReports(
  db: Db,
  { tenantId, reports }: Pick<ChannelReports, 'tenantId' | 'reports'>,
): Promise<void> {
  const ids = reports.map(({ id }) => id);
  await inTenant(db, tenantId, (tx) =>
    sql`delete from status_reports where id = any(${ids}::uuid[])`.execute(tx),
  );
}

/** They could not be applied: the drain tries again, later each time. */
export async function postponeReports(
  db: Db,
  { tenantId, reports }: Pick<ChannelReports, 'tenantId' | 'reports'>,
  error: string,
): Promise<void> {
  const ids = reports.map(({ id }) => id);
  await inTenant(db, tenantId, (tx) =>
    sql`update status_reports
           set error = ${error.slice(0, LONGEST_ERROR)},
               leased_until = now() + least(interval '1 hour', interval '15 seconds' * 2 ^ least(attempts, 10))
         where id = any(${ids}::uuid[])`.execute(tx),
  );
}

/** Takes over what a crash left, or what could not be applied, over all tenants. */
export async function claimReports(db: Db, atMost: number): Promise<ChannelReports[]> {
  const claimed = await sql<{ tenant_id: TenantId; channel_id: ChannelId; id: string }>`
    select * from claim_status_reports(${atMost}, ${LEASE}::interval)`.execute(db);
  const byChannel = Map.groupBy(claimed.rows, (row) => row.channel_id);
  return Promise.all(
    [...byChannel].map(async ([channelId, rows]) => {
      const tenantId = rows[0]!.tenant_id;
      const ids = rows.map(({ id }) => id);
      return { tenantId, channelId, reports: await loadReports(db, tenantId, ids) };
    }),
  );
}

async function loadReports(
  db: Db,
  tenantId: TenantId,
  ids: readonly string[],
): Promise<StatusReport[]> {
  const rows = await inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('status_reports')
      .select(['id', 'statuses'])
      .where('id', 'in', [...ids])
      .orderBy('received_at')
      .execute(),
  );
  return rows.map(({ id, statuses }) => ({ id, statuses: (statuses as Kept[]).map(revived) })); // keeping wrote them
}

/** A status as JSON holds it. */
type Kept = Omit<DeliveryStatus, 'at' | 'of'> & {
  readonly at: string;
  readonly of: DeliveryStatus['of'] & { readonly until?: string };
};

function revived({ of, at, ...status }: Kept): DeliveryStatus {
  return {
    ...status,
    of: 'sentTo' in of ? { ...of, until: new Date(of.until) } : of,
    at: new Date(at),
  };
}

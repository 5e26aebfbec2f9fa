import type { TenantId } from '../../domain/ids.ts';
import { inTenant, type Db } from '../connection.ts';

export interface ShownChannel {
  readonly id: string;
  readonly name: string;
  readonly provider: string;
  readonly state: string;
  readonly detail: string;
  readonly error: { readonly type: string; readonly detail: string; readonly at: string } | null;
  readonly since: Date | null;
}

/** Live channels that back off or need attention, and those named beside, oldest first. */
export async function channelsInTrouble(
  db: Db,
  tenantId: TenantId,
  { channelId, provider }: { channelId?: string; provider?: string },
  besides: readonly string[],
): Promise<ShownChannel[]> {
  const rows = await inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('channels')
      .select(['id', 'name', 'provider', 'state', 'detail', 'last_error', 'trouble_since'])
      .where('tenant_id', '=', tenantId)
      .where('deleted_at', 'is', null)
      .where((eb) =>
        eb.or([
          eb('state', 'in', ['needs_attention', 'backing_off']),
          ...(besides.length > 0 ? [eb('id', 'in', [...besides])] : []),
        ]),
      )
      .$if(channelId !== undefined, (query) => query.where('id', '=', channelId!))
      .$if(provider !== undefined, (query) => query.where('provider', '=', provider!))
      .orderBy('id')
      .execute(),
  );
  return rows.map(({ last_error: error, trouble_since: since, ...row }) => ({
    ...row,
    error,
    since: since ?? (error && new Date(error.at)),
  }));
}

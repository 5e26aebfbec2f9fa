import { sql } from 'kysely';
import type { TenantId } from '../../domain/ids.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import { stageAgain, type StagedAgain } from './stage-again.ts';

export interface SetAsideRow {
  readonly id: string;
  readonly channel_id: string;
  readonly provider_message_id: string | null;
  readonly sha256: Buffer;
  readonly size: number;
  readonly received_at: Date;
  readonly attempts: number;
  readonly error: { readonly type: string; readonly detail: string } | null;
}

const SHOWN = [
  'id',
  'channel_id',
  'provider_message_id',
  'sha256',
  'size',
  'received_at',
  'attempts',
  'error',
] as const;

/** Sources that could not be processed, oldest first. @param after id of the last one shown. */
export async function listSetAside(
  db: Db,
  tenantId: TenantId,
  { after, limit, channelId }: { after: string | null; limit: number; channelId?: string },
): Promise<SetAsideRow[]> {
  return inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('sources')
      .select(SHOWN)
      .where('tenant_id', '=', tenantId)
      .where('status', '=', 'set_aside')
      .$if(channelId !== undefined, (query) => query.where('channel_id', '=', channelId!))
      .$if(after !== null, (query) => query.where('id', '>', after!))
      .orderBy('id')
      .limit(limit)
      .execute(),
  );
}

export async function findSetAside(
  db: Db,
  tenantId: TenantId,
  id: string,
): Promise<SetAsideRow | null> {
  return inTenant(db, tenantId, async (tx) => (await selectSetAside(tx, id)) ?? null);
}

/** Stages a source again. Without effect where that was done already. */
export async function retrySetAside(db: Db, tenantId: TenantId, id: string): Promise<StagedAgain> {
  return stageAgain(
    db,
    tenantId,
    id,
    ({ status }) => status === 'set_aside' || status === 'staged',
    async (tx, { status }) => {
      if (status === 'set_aside')
        await tx
          .updateTable('sources')
          .set({ status: 'staged', error: null, attempts: sql`attempts + 1` })
          .where('id', '=', id)
          .execute();
    },
  );
}

/** Gives a source up: its bytes are kept, but it is shown and tried no more. False where it is not set aside. */
export async function discardSetAside(db: Db, tenantId: TenantId, id: string): Promise<boolean> {
  const { numUpdatedRows } = await inTenant(db, tenantId, (tx) =>
    tx
      .updateTable('sources')
      .set({ status: 'filtered' })
      .where('id', '=', id)
      .where('status', '=', 'set_aside')
      .executeTakeFirst(),
  );
  return numUpdatedRows > 0n;
}

function selectSetAside(tx: Tx, id: string): Promise<SetAsideRow | undefined> {
  return tx
    .selectFrom('sources')
    .select(SHOWN)
    .where('id', '=', id)
    .where('status', '=', 'set_aside')
    .executeTakeFirst();
}

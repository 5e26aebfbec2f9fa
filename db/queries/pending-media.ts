import type { ChannelId, TenantId } from '../../domain/ids.ts';
import type { Tx } from '../connection.ts';
import type { MissingMedia } from './ingest-item.ts';
import { insertRows } from './insert-rows.ts';

/** Remembers files that could not be fetched with their message; what is given up is kept as that. */
export async function insertPendingMedia(
  tx: Tx,
  { tenantId, id }: { readonly tenantId: TenantId; readonly id: ChannelId },
  missing: readonly (MissingMedia & { readonly messageId: string })[],
): Promise<void> {
  await insertRows(
    tx,
    'pending_media',
    missing.map(({ messageId, position, reference, attempts, error, nextAt }) => ({
      tenant_id: tenantId,
      channel_id: id,
      message_id: messageId,
      position,
      reference,
      attempts,
      next_at: nextAt ?? new Date(),
      error,
      given_up: nextAt === null,
    })),
  );
}

import type { Db } from '../../db/connection.ts';
import { createChannel, type NewChannel } from '../../db/queries/channels.ts';
import type { Pending } from '../../db/queries/outbox.ts';
import { newId, type ChannelId, type TenantId } from '../../domain/ids.ts';

/**
 * A channel as the API writes one, without the trial of its credentials: it runs, and is about to connect.
 * @returns what is left to be started
 */
export async function seedChannel(
  db: Db,
  tenantId: TenantId,
  some: Partial<NewChannel> & Pick<NewChannel, 'provider'>,
): Promise<{ readonly id: ChannelId; readonly pending: Pending }> {
  const { id = newId('channel'), name = some.provider } = some;
  const { pending } = await createChannel(db, tenantId, {
    address: null,
    addresses: { wanted: [], offered: [] },
    settings: {},
    secrets: null,
    rules: null,
    ingressTokenHash: null,
    desiredState: 'running',
    state: 'connecting',
    detail: '',
    lastError: null,
    ...some,
    id,
    name,
  });
  return { id, pending };
}

import { z } from 'zod';
import type { ChannelRow } from '../../db/queries/channels.ts';
import { AccountHealth } from '../../domain/account-health.ts';

/** What the vendor tells of the channel's account, and when it did. */
export const ChannelHealth = z
  .object({ ...AccountHealth.shape, read_at: z.iso.datetime() })
  .nullable()
  .meta({
    id: 'ChannelHealth',
    description: 'Read once a day; null where the vendor tells nothing, or nothing was read yet.',
  });

export function showHealth({
  health,
  health_read_at: at,
}: Pick<ChannelRow, 'health' | 'health_read_at'>): z.output<typeof ChannelHealth> {
  return health && at && { ...health, read_at: at.toISOString() };
}

import { z } from 'zod';
import { channelsInTrouble, type ShownChannel } from '../db/queries/channel-trouble.ts';
import type { TenantId } from '../domain/ids.ts';
import { MessageChannel } from '../domain/message.ts';
import { ChannelState } from './channels/show.ts';
import type { ApiDeps } from './deps.ts';
import type { SyncOutcome } from './fresh.ts';

export const FailingAccount = z
  .object({
    account_id: z.string().meta({ examples: ['chn_01JD…'] }),
    account_name: z.string(),
    channel: MessageChannel,
    state: ChannelState,
    detail: z.string().meta({ description: 'What is wrong, in plain words.' }),
    error: z.object({ type: z.string(), detail: z.string(), at: z.iso.datetime() }).nullable(),
    since: z.iso
      .datetime()
      .nullable()
      .meta({ description: 'Since when it is in trouble; null where its sync was only slow.' }),
  })
  .meta({ id: 'FailingAccount' });
type FailingAccount = z.output<typeof FailingAccount>;

const LATE =
  'Its sync did not end within ten seconds; what it brings is shown as soon as it is here.';

/** The channels that hide something from a list just now. @param synced how a sync before it went, if there was one */
export async function failingAccounts(
  { db }: ApiDeps,
  tenantId: TenantId,
  channels: { channelId?: string; provider?: string },
  synced: SyncOutcome | null,
): Promise<FailingAccount[]> {
  const { failed, late } = synced ?? { failed: [], late: [] };
  const rows = await channelsInTrouble(db, tenantId, channels, [...failed, ...late]);
  return rows.map((row) => failing(row, late.includes(row.id)));
}

function failing(row: ShownChannel, isLate: boolean): FailingAccount {
  const inTrouble = row.state === 'needs_attention' || row.state === 'backing_off';
  const onlyLate = isLate && !inTrouble;
  return {
    account_id: row.id,
    account_name: row.name,
    channel: MessageChannel.parse(row.provider),
    state: ChannelState.parse(row.state),
    detail: onlyLate ? LATE : row.detail,
    error: onlyLate ? null : row.error,
    since: onlyLate ? null : (row.since?.toISOString() ?? null),
  };
}

import type { TenantId } from '../../domain/ids.ts';
import type { Tx } from '../connection.ts';

/** Lower-case addresses; `wanted` must be free, `offered` are taken where they are free. */
export interface ClaimedAddresses {
  readonly wanted: readonly string[];
  readonly offered: readonly string[];
}

/** The address belongs to another channel of this installation. */
export class AddressTaken extends Error {
  override name = 'AddressTaken';
  readonly address: string;
  constructor(address: string) {
    super(`Another channel already receives mail for ${address}.`);
    this.address = address;
  }
}

/** @throws AddressTaken where a wanted one is another channel's */
export async function claimAddresses(
  tx: Tx,
  tenantId: TenantId,
  channelId: string,
  { wanted, offered }: ClaimedAddresses,
): Promise<void> {
  const rows = [...new Set([...wanted, ...offered])].map((address) => ({
    address,
    tenant_id: tenantId,
    channel_id: channelId,
  }));
  if (rows.length === 0) return;
  await tx
    .insertInto('channel_addresses')
    .values(rows)
    .onConflict((oc) => oc.doNothing())
    .execute();
  const held = await tx
    .selectFrom('channel_addresses')
    .select('address')
    .where('channel_id', '=', channelId)
    .execute();
  const mine = new Set(held.map((row) => row.address));
  const taken = wanted.find((address) => !mine.has(address));
  if (taken !== undefined) throw new AddressTaken(taken);
}

export async function freeAddresses(tx: Tx, channelId: string): Promise<void> {
  await tx.deleteFrom('channel_addresses').where('channel_id', '=', channelId).execute();
}

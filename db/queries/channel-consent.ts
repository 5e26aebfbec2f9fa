import type { ChannelId, TenantId } from '../../domain/ids.ts';
import { inTenant, type Db } from '../connection.ts';
import { consentedAccount, keepConsented, type SealedTokens } from './channel-tokens.ts';
import { claimAddresses } from './channel-addresses.ts';
import { SHOWN_AT_ONCE, update } from './channel-changes.ts';
import { lockChannel, type ChannelRow } from './channels.ts';
import { Pending } from './outbox.ts';

/** The channel reads another account already. */
export class AnotherAccount extends Error {
  override name = 'AnotherAccount';
  readonly account: string;
  constructor(account: string) {
    super('The channel reads another account.');
    this.account = account;
  }
}

export interface Consented {
  readonly tokens: SealedTokens;
  /** Whose account it is, as the vendor says. */
  readonly address: string | null;
  /** The vendor's own name of the account, by the address that the channel will have. */
  readonly accountBy: (address: string | null) => string | null;
}

/**
 * Keeps a consent: its tokens, the address where the channel has none, and the channel runs (a paused one stays so).
 * Its cursor stays, so that it goes on where it was. Null where the channel is gone. @throws AnotherAccount
 */
export async function keepConsent(
  db: Db,
  tenantId: TenantId,
  id: ChannelId,
  { tokens, address, accountBy }: Consented,
): Promise<{ row: ChannelRow; pending: Pending } | null> {
  const pending = new Pending(tenantId);
  const row = await inTenant(db, tenantId, async (tx) => {
    const before = await lockChannel(tx, id);
    if (!before) return null;
    const former = await consentedAccount(tx, id);
    if (former !== null && address !== null && former.toLowerCase() !== address.toLowerCase())
      throw new AnotherAccount(former);
    await keepConsented(tx, { tenantId, id }, { ...tokens, account: address ?? former });
    if (before.address === null && address !== null)
      await claimAddresses(tx, tenantId, id, { wanted: [], offered: [address.toLowerCase()] });
    const desired = before.desired_state === 'paused' ? 'paused' : 'running';
    return update(tx, pending, before, {
      address: before.address ?? address,
      account: accountBy(address ?? before.address),
      watch_expires_at: null,
      desired_state: desired,
      ...SHOWN_AT_ONCE[desired],
    });
  });
  return row && { row, pending };
}

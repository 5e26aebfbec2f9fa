import { sql } from 'kysely';
import type { TenantId } from '../../domain/ids.ts';
import type { Tx } from '../connection.ts';

/** A channel, and the account at its vendor that it is to be of. */
export interface AccountClaim {
  readonly id: string;
  readonly provider: string;
  readonly account: string;
}

/** Another channel of the tenant is of this account already. */
export class AccountTaken extends Error {
  override name = 'AccountTaken';
  constructor(holder: { readonly id: string; readonly name: string }) {
    super(
      `Channel "${holder.name}" (${holder.id}) is connected to this account already; by two, each message would come twice. Change or start that one, or delete it first.`,
    );
  }
}

/**
 * Keeps an account for one channel of the tenant, whoever else wants it at the same moment, until the transaction ends.
 * @throws AccountTaken
 */
export async function claimAccount(tx: Tx, tenantId: TenantId, claim: AccountClaim): Promise<void> {
  const key = `account ${tenantId} ${claim.provider} ${claim.account}`;
  await sql`select pg_advisory_xact_lock(hashtextextended(${key}, 0))`.execute(tx);
  await refuseTaken(tx, tenantId, claim);
}

/** @throws AccountTaken as things stand now */
export async function refuseTaken(
  tx: Tx,
  tenantId: TenantId,
  { id, provider, account }: AccountClaim,
): Promise<void> {
  const holder = await tx
    .selectFrom('channels')
    .select(['id', 'name'])
    .where('tenant_id', '=', tenantId)
    .where('provider', '=', provider)
    .where('account', '=', account)
    .where('deleted_at', 'is', null)
    .where('id', '!=', id)
    .orderBy('id')
    .executeTakeFirst();
  if (holder) throw new AccountTaken(holder);
}

import { connect, type Db } from '../../../db/connection.ts';
import { ensureTenant } from '../../../db/queries/tenants.ts';
import type { ChannelId, TenantId } from '../../../domain/ids.ts';
import { KeyRing } from '../../../security/key-ring.ts';
import { testDatabase } from '../../harness/index.ts';
import { seedChannel } from '../../workflow/channel-seed.ts';

export interface AccountFixture {
  readonly db: Db;
  readonly databaseUrl: string;
  readonly masterKey: string;
  readonly keys: KeyRing;
  readonly tenantId: TenantId;
  newChannel(): Promise<ChannelId>;
}

/** A database with a tenant, whose channels belong to a vendor that is nobody's. */
export async function accountFixture(): Promise<AccountFixture> {
  const { url } = await testDatabase();
  const db = connect({ url, poolSize: 12 });
  const masterKey = KeyRing.generate();
  const tenantId = await ensureTenant(db, 'accounts');
  return {
    db,
    databaseUrl: url,
    masterKey,
    keys: KeyRing.parse(masterKey),
    tenantId,
    async newChannel() {
      return (await seedChannel(db, tenantId, { provider: 'vendor', name: 'Vendor' })).id;
    },
  };
}

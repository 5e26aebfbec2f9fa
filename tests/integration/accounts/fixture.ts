import { connect, type Db } from '../../../db/connection.ts';
import { createChannel } from '../../../db/queries/channels.ts';
import { ensureTenant } from '../../../db/queries/tenants.ts';
import { newId, type ChannelId, type TenantId } from '../../../domain/ids.ts';
import { KeyRing } from '../../../security/key-ring.ts';
import { testDatabase } from '../../harness/index.ts';

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
      const id = newId('channel');
      await createChannel(db, tenantId, {
        id,
        provider: 'vendor',
        name: 'Vendor',
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
      });
      return id;
    },
  };
}

import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { AccountPlaces } from '../../api/ingress/account-places.ts';
import { inTenant } from '../../db/connection.ts';
import { RightOfWay } from '../../domain/right-of-way.ts';
import { newId, type ChannelId, type TenantId } from '../../domain/ids.ts';
import { ensureTenant } from '../../db/queries/tenants.ts';
import { startTestApi, type TestApi } from './api-fixture.ts';

let api: TestApi;
let tenantId: TenantId;
beforeAll(async () => {
  api = await startTestApi();
  tenantId = await ensureTenant(api.db, `tenant ${Math.random()}`);
});
afterAll(() => api.close());

async function channelOf(account: string): Promise<ChannelId> {
  const id = newId('channel');
  await inTenant(api.db, tenantId, (tx) =>
    tx
      .insertInto('channels')
      .values({
        id,
        tenant_id: tenantId,
        provider: 'whatsapp',
        name: account,
        address: null,
        account,
        settings: '{}',
      })
      .execute(),
  );
  return id;
}

const remove = (id: ChannelId) =>
  inTenant(api.db, tenantId, (tx) =>
    tx.updateTable('channels').set({ deleted_at: new Date() }).where('id', '=', id).execute(),
  );

const idsOf = async (places: AccountPlaces, ...accounts: string[]) =>
  (await places.of('whatsapp', accounts)).map(({ channelId }) => channelId);

it('answers each call of a crowd with its own accounts', async () => {
  const [one, two] = [await channelOf('crowd-1'), await channelOf('crowd-2')];
  const places = new AccountPlaces({ db: api.db, way: new RightOfWay() });
  const asked = [['crowd-1'], ['crowd-2'], ['crowd-2', 'crowd-1'], ['nobody'], []];
  const found = await Promise.all(asked.map((accounts) => idsOf(places, ...accounts)));
  expect(found).toEqual([[one], [two], [two, one], [], []]);
});

it('answers as things stand when a call comes, busy or not', async () => {
  const way = new RightOfWay();
  const places = new AccountPlaces({ db: api.db, way });
  for (let round = 0; round < 3; round += 1) {
    const id = await channelOf('moment');
    expect(await idsOf(places, 'moment')).toEqual([id]);
    await remove(id);
    expect(await idsOf(places, 'moment')).toEqual([]);
    for (let call = 0; call < 20; call += 1) way.stored(1);
  }
});

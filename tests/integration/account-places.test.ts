import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { AccountPlaces } from '../../api/ingress/account-places.ts';
import { inTenant } from '../../db/connection.ts';
import { RightOfWay } from '../../domain/right-of-way.ts';
import { newId, type ChannelId, type TenantId } from '../../domain/ids.ts';
import { ensureTenant } from '../../db/queries/tenants.ts';
import { eventually } from '../harness/index.ts';
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

it('asks anew for each call while doors are calm, and after a moment while they are busy', async () => {
  const way = new RightOfWay();
  const places = new AccountPlaces({ db: api.db, way });
  const first = await channelOf('moment');
  expect(await idsOf(places, 'moment')).toEqual([first]);
  await remove(first);
  expect(await idsOf(places, 'moment')).toEqual([]);
  const busy = () => {
    for (let call = 0; call < 20; call += 1) way.stored(1);
  };
  busy();
  expect(await idsOf(places, 'moment')).toEqual([]);
  const second = await channelOf('moment');
  expect(await idsOf(places, 'moment')).toEqual([second]); // that there is none is never kept
  await remove(second);
  await eventually(async () => {
    busy();
    expect(await idsOf(places, 'moment')).toEqual([]);
  });
});

import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { inTenant } from '../../../db/connection.ts';
import { metaSimulator, type MetaSimulator } from '../../../simulators/meta/simulator.ts';
import { startTestApi, type ApiAnswer, type Client, type TestApi } from '../api-fixture.ts';

// One number, or one page, is one channel of a tenant: by two, each message would make two tickets.

let api: TestApi;
let client: Client;
let meta: MetaSimulator;

beforeAll(async () => {
  api = await startTestApi();
  client = await api.client('sole');
  meta = await metaSimulator();
});
afterAll(async () => {
  await api.close();
  await meta.close();
});

const make = (provider: string, settings: object, name = provider, by = client) =>
  by.call('POST', '/v1/channels', { provider, name, settings, is_active: false });
const change = (id: string, body: object) => client.call('PATCH', `/v1/channels/${id}`, body);
const statuses = (answers: readonly ApiAnswer[]) =>
  answers.map(({ status }) => status).toSorted((a, b) => a - b);
const taken = (holder: ApiAnswer) => ({
  status: 409,
  body: {
    type: 'urn:postroom:problem:account_taken',
    detail: expect.stringContaining(
      `Channel "${String(holder.body.name)}" (${String(holder.body.id)}) is connected to this account already`,
    ),
    errors: [{ pointer: '/settings', message: expect.any(String) }],
  },
});

it.each(['whatsapp', 'facebook'])('%s: a second channel of an account is refused', async (name) => {
  const settings = meta.settings(name === 'whatsapp' ? meta.number() : meta.page());
  const first = await make(name, settings, 'Support');
  expect(first.status).toBe(201);
  expect(await make(name, settings, 'Sales')).toMatchObject(taken(first));
  expect((await make(name, settings, 'Theirs', await api.client('other'))).status).toBe(201);

  await client.call('DELETE', `/v1/channels/${String(first.body.id)}`);
  expect((await make(name, settings, 'Sales')).status).toBe(201);
});

it('of many at once one is made', async () => {
  const settings = meta.settings(meta.number());
  const made = await Promise.all(
    Array.from({ length: 8 }, (_none, n) => make('whatsapp', settings, `Channel ${n}`)),
  );
  expect(statuses(made)).toEqual([201, ...Array<number>(7).fill(409)]);
});

it('a change to the account of another channel is refused, and ends nothing at the vendor', async () => {
  const [page, free] = [meta.page(), meta.page()];
  const holder = await make('messenger', meta.settings(page), 'Holder');
  const own = meta.page();
  const id = String((await make('messenger', meta.settings(own), 'Own')).body.id);
  own.fields.add('messages');
  await inTenant(api.db, client.tenantId, (tx) =>
    tx.updateTable('channels').set({ watch_renewed_at: new Date() }).where('id', '=', id).execute(),
  );

  expect(await change(id, { settings: meta.settings(page) })).toMatchObject(taken(holder));
  expect([...own.fields]).toEqual(['messages']);
  expect((await change(id, { settings: { mark_read: false } })).status).toBe(200);
  expect((await change(id, { settings: meta.settings(free) })).status).toBe(200);
  const other = await make('messenger', meta.settings(meta.page()), 'Other');
  const [one, two] = await Promise.all(
    [id, String(other.body.id)].map((each) => change(each, { settings: meta.settings(own) })),
  );
  expect(statuses([one!, two!])).toEqual([200, 409]);
});

it('two that are there already can be changed, so that it can be mended', async () => {
  const settings = meta.settings(meta.number());
  const first = await make('whatsapp', settings, 'First');
  const second = await make('whatsapp', meta.settings(meta.number()), 'Second');
  const id = String(second.body.id);
  await inTenant(api.db, client.tenantId, (tx) =>
    tx
      .updateTable('channels')
      .set({
        account: settings['phone_number_id']!,
        settings: JSON.stringify({ ...second.body.settings, phone_number_id: settings['phone_number_id'] }), // prettier-ignore
      })
      .where('id', '=', id)
      .execute(),
  );
  expect((await change(id, { name: 'Twice' })).status).toBe(200);
  expect((await client.call('DELETE', `/v1/channels/${String(first.body.id)}`)).status).toBe(204);
});

it('a mail account may be read by two channels', async () => {
  const gmail = { account: 'help@shop.test', client_id: 'x', client_secret: 'x' };
  const made = [await make('gmail', gmail, 'Inbox'), await make('gmail', gmail, 'Folder')];
  expect(made.map(({ status }) => status)).toEqual([201, 201]);
});

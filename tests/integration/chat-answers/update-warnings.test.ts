import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { inTenant } from '../../../db/connection.ts';
import { metaSimulator, type MetaSimulator } from '../../../simulators/meta/simulator.ts';
import type { SimNumber } from '../../../simulators/meta/world.ts';
import { startTestApi, type Client, type TestApi } from '../api-fixture.ts';

let api: TestApi;
let ada: Client;
let meta: MetaSimulator;
let number: SimNumber;
let path: string;

beforeAll(async () => {
  api = await startTestApi();
  ada = await api.client('update-warnings');
  meta = await metaSimulator();
  number = meta.number();
  const { status, body } = await make({});
  expect(status).toBe(201);
  path = `/v1/channels/${body.id}`;
});
afterAll(async () => {
  await meta.close();
  await api.close();
});

const make = (settings: object) =>
  ada.call('POST', '/v1/channels', {
    provider: 'whatsapp',
    name: 'Shop',
    is_active: false,
    settings: { ...meta.settings(number), ...settings },
  });
const tell = (message: unknown, more: object = {}) =>
  ada.call('PATCH', path, {
    settings: {
      notifications_enabled: true,
      template_messages: { 'ticket.resolved': message },
      ...more,
    },
  });
const UPDATE = { template: 'ticket_update', language: 'en_US', values: { 1: 'x', 2: 'y' } };

test('places that don’t exist are refused where they are written, and nowhere else', async () => {
  const wrong = { text: '{{customer.nme}}', values: { 'footer.1': 'x' } };
  const errors = [
    expect.objectContaining({ pointer: '/settings/template_messages/ticket.resolved/text' }),
    expect.objectContaining({
      pointer: '/settings/template_messages/ticket.resolved/values/footer.1',
    }),
  ];
  for (const { status, body } of [
    await make({ template_messages: { 'ticket.resolved': wrong } }),
    await tell(wrong),
  ])
    expect({ status, errors: body.errors }).toEqual({ status: 422, errors });
  // As one was stored before places were looked at.
  await inTenant(api.db, ada.tenantId, async (tx) => {
    const { settings } = await tx
      .selectFrom('channels')
      .select('settings')
      .executeTakeFirstOrThrow();
    const stored = { ...settings, template_messages: { 'ticket.resolved': wrong } };
    await tx
      .updateTable('channels')
      .set({ settings: JSON.stringify(stored) })
      .execute();
  });
  expect((await ada.call('PATCH', path, { name: 'Store' })).status).toBe(200);
  expect((await tell(null)).status).toBe(200);
});

test('a channel that its settings switch off says so in its status', async () => {
  const change = (settings: object) => ada.call('PATCH', path, { settings });
  const off = [expect.stringContaining('"whatsapp_enabled" is off')];
  expect((await change({ whatsapp_enabled: false })).body.warnings).toEqual(off);
  expect((await ada.call('GET', `${path}/status`)).body.warnings).toEqual(off);
  expect((await change({ whatsapp_enabled: true })).body.warnings).toEqual([]);
  expect((await ada.call('GET', `${path}/status`)).body.warnings).toEqual([]);
});

test('a template that can’t be sent so is warned of: in the change, the trial and the status', async () => {
  expect((await tell('nobody_has_it')).body.warnings).toEqual([]); // none were read yet
  expect((await ada.call('POST', `${path}/templates:sync`)).status).toBe(200);
  const cases: [unknown, RegExp][] = [
    ['nobody_has_it', /no template "nobody_has_it"/],
    [{ ...UPDATE, language: 'fr' }, /in de, en_US, not in "fr"/],
    [{ ...UPDATE, language: undefined }, /several languages/],
    [{ template: 'survey', values: { 1: 'x' } }, /"survey" \(en_US\) is pending/],
    [{ ...UPDATE, values: { 1: 'x', 3: 'y' } }, /nothing for body\.2 .*unknown places body\.3/],
    [{ template: 'order_shipped' }, /nothing for header\.1, body\.customer_name/],
  ];
  for (const [message, words] of cases) {
    const warning = [expect.stringMatching(words)];
    // What was there is replaced, and not merged with.
    await tell(null);
    expect((await tell(message)).body.warnings).toEqual(warning);
    expect((await ada.call('GET', `${path}/status`)).body).toMatchObject({ warnings: warning });
    const tried = await ada.call('POST', `${path}/validate`);
    expect(tried.body).toMatchObject({ ok: true, warnings: warning });
  }
  await tell(null);
  expect((await tell(UPDATE)).body.warnings).toEqual([]);
  number.account.templates.find(({ language, name }) => name === 'ticket_update' && language === 'en_US')!.status = 'PAUSED'; // prettier-ignore
  await ada.call('POST', `${path}/templates:sync`);
  const paused = (await ada.call('GET', `${path}/status`)).body.warnings;
  expect(paused).toEqual([
    expect.stringMatching(/^After the window nobody is told of ticket\.resolved: .*paused/),
  ]);
  expect((await tell(UPDATE, { notifications_enabled: false })).body.warnings).toEqual([]);
});

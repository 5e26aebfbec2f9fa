import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { metaSimulator, type MetaSimulator } from '../../../simulators/meta/simulator.ts';
import { eventually } from '../../harness/index.ts';
import { request } from '../api-fixture.ts';
import { startProduct, type FaultChannel, type Product } from '../providers/faults/product.ts';

// Calls of Meta's of which a part can't be read, by the one door and the product's own ingestion.

jest.setTimeout(240_000);
const WAIT_MS = 60_000;

let product: Product;
let meta: MetaSimulator;
let whatsapp: FaultChannel;
let messenger: FaultChannel;
let settings: Record<string, string>;
let pageId: string;

beforeAll(async () => {
  product = await startProduct();
  meta = await metaSimulator();
  settings = meta.settings(meta.number());
  const page = meta.settings(meta.page({ name: 'Shop' }));
  pageId = page['page_id']!;
  expect(page['app_secret']).toBe(settings['app_secret']);
  whatsapp = await product.channel('whatsapp', settings);
  messenger = await product.channel('messenger', page);
});
afterAll(async () => {
  await product.stop();
  await meta.close();
});

function post(object: string, entry: unknown) {
  const body = JSON.stringify({ object, entry });
  const signature = createHmac('sha256', settings['app_secret']!).update(body).digest('hex');
  return request(`${product.url}/ingress/meta`, 'POST', body, {
    'x-hub-signature-256': `sha256=${signature}`,
  });
}

async function unreadable(provider: string, outcome: string): Promise<number> {
  const { text } = await request(`${product.url}/metrics`, 'GET');
  const line = `postroom_door_unreadable_total{provider="${provider}",outcome="${outcome}"} `;
  return Number(
    text
      .split('\n')
      .find((one) => one.startsWith(line))
      ?.slice(line.length) ?? 0,
  );
}

interface SetAside {
  readonly channel_id: string;
  readonly reason: { type: string; detail: string };
  readonly source_url: string;
}

async function setAside(channel: FaultChannel): Promise<readonly SetAside[]> {
  const { data } = await product.call('GET', `/v1/set-aside?channel_id=${channel.id}`);
  return data as SetAside[];
}

const message = (id: string) => ({
  id,
  from: '491701234567',
  timestamp: '1795168800',
  type: 'text',
  text: { body: id },
});

test('WhatsApp: what can be read becomes messages, the rest is set aside once with its reason or counted', async () => {
  const value = {
    metadata: { phone_number_id: Number(settings['phone_number_id']) },
    contacts: ['nobody', { wa_id: '491701234567', profile: { name: 'Ada' } }],
    messages: [message('wamid.1'), { type: 'text', text: { body: 'without an id' } }],
    statuses: [{ status: 'delivered' }],
  };
  const entry = [
    { id: 102290129340398, changes: [{ value }, { field: 'messages', value: 'nonsense' }] },
    'nonsense',
  ];
  const before = await Promise.all(
    ['set_aside', 'lost'].map((outcome) => unreadable('whatsapp', outcome)),
  );
  for (let times = 0; times < 2; times += 1)
    expect(await post('whatsapp_business_account', entry)).toMatchObject({ status: 200 });
  await eventually(async () => {
    expect(await whatsapp.received()).toEqual(['wamid.1']);
    expect((await setAside(whatsapp)).map(({ reason }) => reason.detail).toSorted()).toEqual([
      expect.stringMatching(/^This message of WhatsApp’s can’t be read: id: /),
      expect.stringMatching(/^This report of WhatsApp’s can’t be read: id: /),
    ]);
  }, WAIT_MS);
  const after = await Promise.all(
    ['set_aside', 'lost'].map((outcome) => unreadable('whatsapp', outcome)),
  );
  expect(after.map((count, nr) => count - before[nr]!)).toEqual([4, 4]);
});

test('Messenger: an event that can’t be read is set aside, and keeps none from being taken', async () => {
  const event = {
    sender: { id: 7001 },
    recipient: { id: pageId },
    timestamp: 1795168800000,
    message: { mid: 'm_1', text: 'Hello' },
  };
  const broken = { ...event, message: { text: 'without an id' } };
  const before = await unreadable('messenger', 'lost');
  const entry = [{ id: Number(pageId), messaging: [broken, event] }, { messaging: [event] }];
  expect(await post('page', entry)).toMatchObject({ status: 200, body: { accepted: 2 } });
  await eventually(async () => {
    expect(await messenger.received()).toEqual(['m_1']);
    const [one, ...more] = await setAside(messenger);
    expect([one?.reason.detail, more]).toEqual([
      expect.stringMatching(/^This event of Messenger’s can’t be read: message: mid: /),
      [],
    ]);
  }, WAIT_MS);
  expect((await unreadable('messenger', 'lost')) - before).toBe(1);
});

test('a call of which nothing names an account is said yes to only where it is the vendor’s', async () => {
  const before = await unreadable('whatsapp', 'lost');
  expect((await post('whatsapp_business_account', 'nonsense')).status).toBe(200);
  expect((await unreadable('whatsapp', 'lost')) - before).toBe(1);
  const forged = await request(
    `${product.url}/ingress/meta`,
    'POST',
    JSON.stringify({ object: 'whatsapp_business_account', entry: 'nonsense' }),
    { 'x-hub-signature-256': `sha256=${'0'.repeat(64)}` },
  );
  expect(forged.status).toBe(401);
  expect((await unreadable('whatsapp', 'lost')) - before).toBe(1);
});

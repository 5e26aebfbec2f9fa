import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { signedHeaders } from '../../../../simulators/meta/hooks.ts';
import { metaSimulator, type MetaSimulator } from '../../../../simulators/meta/simulator.ts';
import { tellQuality } from '../../../../simulators/meta/reviews.ts';
import type { SimNumber } from '../../../../simulators/meta/world.ts';
import { eventually } from '../../../harness/index.ts';
import { startProduct, type FaultChannel, type Product } from '../faults/product.ts';

// What Meta tells of an account as a whole reaches all of its numbers' channels, and no other's.

jest.setTimeout(240_000);
const WAIT_MS = 60_000;
const UPDATE = { name: 'ticket_update', language: 'en_US' };

let product: Product;
let meta: MetaSimulator;
let shop: SimNumber;
let club: SimNumber;
let stranger: SimNumber;
let door: string;
let shopChannel: FaultChannel;
let clubChannel: string;
let strangerChannel: string;

beforeAll(async () => {
  product = await startProduct();
  meta = await metaSimulator();
  shop = meta.number();
  club = meta.number({ ofAccount: shop.account });
  stranger = meta.number({ ofApp: meta.world.app({ secret: 'another-secret' }) });
  shopChannel = await product.channel('whatsapp', meta.settings(shop));
  clubChannel = await make('Club', club);
  strangerChannel = await make('Stranger', stranger);
  door = new URL('/ingress/meta', shopChannel.doorUrl!).href;
  await meta.connect(door);
  for (const id of [shopChannel.id, clubChannel, strangerChannel])
    await eventually(async () => expect(await stateOf(id)).toBe('approved'), WAIT_MS);
});
afterAll(async () => {
  expect(meta.violations).toEqual([]);
  await product.stop();
  await meta.close();
});

async function make(name: string, number: SimNumber): Promise<string> {
  const settings = meta.settings(number);
  const { id } = await product.call('POST', '/v1/channels', { provider: 'whatsapp', name, settings }); // prettier-ignore
  return String(id);
}
interface Shown {
  readonly name: string;
  readonly language: string;
  readonly status: string;
  readonly synced_at: string;
}
async function template(channelId: string, { name, language } = UPDATE) {
  const { data } = await product.call('GET', `/v1/channels/${channelId}/templates`);
  return (data as Shown[]).find((one) => one.name === name && one.language === language);
}
const stateOf = async (channelId: string) => (await template(channelId))?.status;
const states = () => Promise.all([shopChannel.id, clubChannel].map(stateOf));

it('a template that is paused can’t be sent any more, approved again it can, on all numbers of the account', async () => {
  const ofStranger = (await template(strangerChannel))!.synced_at;
  expect(meta.review(shop, { ...UPDATE, status: 'PAUSED' })).toBe(true);
  await eventually(async () => expect(await states()).toEqual(['paused', 'paused']), WAIT_MS);
  expect(meta.review(shop, { ...UPDATE, status: 'APPROVED' })).toBe(true);
  await eventually(async () => expect(await states()).toEqual(['approved', 'approved']), WAIT_MS);
  await meta.settled();
  expect(meta.hooks.calls.every(({ status }) => status === 200)).toBe(true);
  expect((await template(strangerChannel))!.synced_at).toBe(ofStranger);
});

it('one that was made a moment ago and is approved is usable without being asked for', async () => {
  shop.account.templates.push({
    id: '1234567890123456',
    name: 'welcome',
    language: 'de',
    status: 'PENDING',
    category: 'UTILITY',
    components: [{ type: 'BODY', text: 'Willkommen!' }],
  });
  const welcome = { name: 'welcome', language: 'de' };
  expect(meta.review(shop, { ...welcome, status: 'APPROVED' })).toBe(true);
  await eventually(async () => {
    expect(await template(shopChannel.id, welcome)).toMatchObject({ status: 'approved' });
  }, WAIT_MS);
});

it('a call that speaks of the account and of one of its numbers is heard once by each channel', async () => {
  const wamid = meta.writes(shop, { phone: '+4915112345678', name: 'Ada' }, { text: 'Hello' });
  meta.review(shop, { ...UPDATE, status: 'PAUSED' });
  await meta.settled();
  const { body } = meta.hooks.calls.at(-1)!;
  expect(body.toString()).toMatch(/"messages".*"message_template_status_update"/);
  await eventually(async () => {
    expect(await states()).toEqual(['paused', 'paused']);
    const { data } = await product.call('GET', '/v1/messages');
    const ids = (data as { provider_message_id: string }[]).map((one) => one.provider_message_id);
    expect(ids).toEqual([wamid]);
  }, WAIT_MS);
});

it('a call of another app, or of nobody, changes nothing', async () => {
  const before = await template(shopChannel.id);
  const body = Buffer.from(
    JSON.stringify({
      object: 'whatsapp_business_account',
      entry: [
        {
          id: shop.account.id,
          changes: [{ field: 'message_template_status_update', value: { event: 'PAUSED' } }],
        },
      ],
    }),
  );
  const post = (headers: Record<string, string>) =>
    fetch(door, { method: 'POST', body: new Uint8Array(body), headers });
  expect((await post(signedHeaders(body, stranger.app.secret))).status).toBe(401);
  expect((await post({ 'content-type': 'application/json' })).status).toBe(401);
  // Authentic news after it is the next that is acted on.
  meta.review(shop, { ...UPDATE, language: 'de', status: 'PAUSED' });
  await eventually(async () => {
    const german = await template(shopChannel.id, { ...UPDATE, language: 'de' });
    expect(german).toMatchObject({ status: 'paused' });
  }, WAIT_MS);
  expect(await template(shopChannel.id)).toMatchObject({ status: before!.status });
});

it('a number’s quality is read again when Meta tells of it', async () => {
  shop.qualityRating = 'RED';
  tellQuality(meta.reports, shop);
  await eventually(async () => {
    const status = await product.call('GET', `/v1/channels/${shopChannel.id}/status`);
    expect(JSON.stringify(status['health'])).toMatch(/red/i);
  }, WAIT_MS);
});

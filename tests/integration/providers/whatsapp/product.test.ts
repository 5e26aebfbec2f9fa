import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import type { WhatsAppPerson } from '../../../../simulators/meta/customers.ts';
import { metaSimulator, type MetaSimulator } from '../../../../simulators/meta/simulator.ts';
import type { SentChat, SimNumber } from '../../../../simulators/meta/world.ts';
import { eventually } from '../../../harness/index.ts';
import { PNG } from '../../../harness/png.ts';
import type { ShownMessage } from '../faults/channel.ts';
import { startProduct, type FaultChannel, type Product } from '../faults/product.ts';
import { CUSTOMER } from './answers.ts';
import { connectedNumber } from './connected.ts';

// Two numbers of two apps, by the one door that all of Meta's calls come to.

jest.setTimeout(240_000);
const WAIT_MS = 60_000;
const BOB = '+16505551234';

let product: Product;
let meta: MetaSimulator;
let shop: SimNumber;
let club: SimNumber;
let shopChannel: FaultChannel;
let clubChannel: FaultChannel;

beforeAll(async () => {
  // One after the other: a simulator may be given the very port that the API is about to take.
  product = await startProduct();
  meta = await metaSimulator();
  shop = meta.number();
  club = meta.number({ ofApp: meta.world.app() });
  shopChannel = await connectedNumber(product, meta, shop);
  clubChannel = await connectedNumber(product, meta, club, {}, 'club@example.test');
});
afterAll(async () => {
  expect(meta.violations).toEqual([]);
  await product.stop();
  await meta.close();
});

const byId = async (id: unknown) =>
  (await product.call('GET', `/v1/messages/${String(id)}`)) as unknown as ShownMessage;
const ada = { phone: CUSTOMER, name: 'Ada Lovelace' };

/** A customer writes to the shop. @returns the message once it is on its ticket */
async function question(text: string, from: WhatsAppPerson = ada): Promise<ShownMessage> {
  const wamid = meta.writes(shop, from, { text });
  const [asked] = await shopChannel.arrived(wamid);
  return asked!;
}
const reply = (to: ShownMessage, answer: object) =>
  product.call('POST', `/v1/messages/${to.id}/reply`, answer);
const marked = (id: unknown): SentChat | undefined =>
  shop.sent.find(({ body }) => String(body['biz_opaque_callback_data']).includes(String(id)));

it('takes in what is written to each number, files too, once', async () => {
  meta.hooks.behaviour.duplicates = 1;
  meta.hooks.behaviour.disorder = true;
  const text = meta.writes(shop, ada, { text: 'Where is my lamp?' });
  const file = { kind: 'image', bytes: PNG, contentType: 'image/png', caption: 'This' } as const;
  const picture = meta.writes(shop, ada, { file });
  const other = meta.writes(club, { phone: BOB, name: 'Bob' }, { text: 'May I join?' });
  await eventually(async () => {
    expect(await shopChannel.messages()).toHaveLength(2);
    expect((await clubChannel.messages()).map((one) => one.provider_message_id)).toEqual([other]);
    expect((await shopChannel.message(picture)).attachments).toMatchObject([
      { content_type: 'image/png', sha256: createHash('sha256').update(PNG).digest('hex') },
    ]);
  }, WAIT_MS);
  await meta.settled();
  Object.assign(meta.hooks.behaviour, { duplicates: 0, disorder: false });

  const asked = await shopChannel.message(text);
  expect(asked).toMatchObject({
    channel: 'whatsapp',
    direction: 'inbound',
    from: CUSTOMER,
    sender: { name: 'Ada Lovelace' },
    content: 'Where is my lamp?',
    metadata: { platform_specific: { message_type: 'text', phone_number: CUSTOMER } },
  });
  expect((await shopChannel.message(picture)).ticket_id).toBe(asked.ticket_id);
  expect(await shopChannel.messages()).toHaveLength(2);
});

it('answers, and shows how far the answer came, whatever the order of the reports', async () => {
  const asked = await question('And my chair?');
  meta.reports.plan.disorder = 1;
  const { id } = await reply(asked, { text: 'On its way.' });
  await eventually(() => expect(marked(id)).toBeDefined(), WAIT_MS);
  meta.reports.report(shop, marked(id)!, 'read');
  await meta.settled();
  meta.reports.plan.disorder = 0;
  await eventually(async () => expect(await byId(id)).toMatchObject({ status: 'read' }), WAIT_MS);
  expect(marked(id)!.to).toBe(CUSTOMER.slice(1));
  expect(await byId(id)).toMatchObject({
    ticket_id: asked.ticket_id,
    direction: 'outbound',
    provider_message_id: marked(id)!.id,
  });
});

it('is in no doubt of an answer whose receipt was lost, once WhatsApp reports it', async () => {
  const asked = await question('And my table?');
  meta.faults.failNext({ kind: 'lost_answer', match: /^POST .*\/messages/ });
  const { id } = await reply(asked, { text: 'Tomorrow.' });
  await eventually(async () => {
    expect(await byId(id)).toMatchObject({
      status: 'delivered',
      provider_message_id: marked(id)!.id,
    });
  }, WAIT_MS);
  const sent = shop.sent.filter(({ body }) => JSON.stringify(body).includes('Tomorrow.'));
  expect(sent).toHaveLength(1);
});

it('says why an answer did not arrive', async () => {
  const asked = await question('And my bed?');
  meta.refuseNext(shop, { code: 131026 }, 'status');
  const { id } = await reply(asked, { text: 'Next week.' });
  await eventually(async () => {
    expect(await byId(id)).toMatchObject({
      status: 'failed',
      error: { detail: expect.stringContaining('131026') },
    });
  }, WAIT_MS);
});

it('refuses what WhatsApp wouldn’t take, before anything is queued', async () => {
  const asked = await question('Which one?');
  const buttons = [1, 2, 3, 4].map((n) => ({ id: `${n}`, title: `No. ${n}` }));
  const interactive = { type: 'buttons', buttons };
  await expect(reply(asked, { text: 'Choose.', interactive })).rejects.toThrow(
    /422.*one to 3 buttons/,
  );
  const { id } = await reply(asked, {
    text: 'Choose.',
    interactive: { type: 'buttons', buttons: buttons.slice(0, 3) },
  });
  await eventually(() => expect(marked(id)?.body).toMatchObject({ type: 'interactive' }), WAIT_MS);
});

it('shows what was written beside us, and a reaction as a mark', async () => {
  const asked = await question('Hello?');
  const beside = meta.writesBeside(shop, CUSTOMER, 'From the phone');
  await eventually(async () => {
    expect(await shopChannel.message(beside)).toMatchObject({
      direction: 'outbound',
      status: 'sent',
      content: 'From the phone',
      ticket_id: asked.ticket_id,
    });
  }, WAIT_MS);
  const { id } = await reply(asked, { text: 'Here.' });
  await eventually(() => expect(marked(id)).toBeDefined(), WAIT_MS);
  const before = (await shopChannel.messages()).length;
  const emoji = { type: 'reaction', reaction: { message_id: marked(id)!.id, emoji: '👍' } };
  meta.writes(shop, ada, { raw: emoji });
  await eventually(async () => {
    expect(JSON.stringify(await byId(id))).toContain('👍');
  }, WAIT_MS);
  expect(await shopChannel.messages()).toHaveLength(before);
});

it('sends a template where the window has ended, and nothing else', async () => {
  const channel = `/v1/channels/${shopChannel.id}`;
  await product.call('POST', `${channel}/templates:sync`);
  await product.call('PATCH', channel, { settings: { window_seconds: 1 } });
  const asked = await question('Still there?', { phone: BOB });
  // An answer within the second is let through.
  await eventually(async () => {
    await expect(reply(asked, { text: 'Yes.' })).rejects.toThrow(/422.*window_closed/);
  }, WAIT_MS);
  const template = { name: 'ticket_update', language: 'de', values: { 1: 'Ada', 2: '#7' } };
  await expect(reply(asked, { template: { ...template, values: { 1: 'Ada' } } })).rejects.toThrow(
    /422.*body\.2/,
  );
  const { id } = await reply(asked, { template });
  await eventually(async () => {
    expect(marked(id)?.body).toMatchObject({
      type: 'template',
      template: { name: 'ticket_update' },
    });
    expect(await byId(id)).toMatchObject({
      status: 'delivered',
      content: 'Hallo Ada, zu Ihrer Anfrage #7 gibt es Neues.',
    });
  }, WAIT_MS);
  await product.call('PATCH', channel, { settings: { window_seconds: 86_400 } });
});

it('shows the customer that a message was read', async () => {
  const asked = await question('Did you see this?');
  await product.call('POST', `/v1/messages/${asked.id}/read`);
  await eventually(() => expect(shop.marked).toContain(asked.provider_message_id), WAIT_MS);
});

it('names a token that has expired, and goes on with a good one', async () => {
  const path = `/v1/channels/${clubChannel.id}/validate`;
  club.token.state = 'expired';
  expect(await product.call('POST', path)).toMatchObject({
    ok: false,
    problems: [{ step: 'login', detail: expect.stringContaining('190') }],
  });
  club.token.state = 'good';
  expect(await product.call('POST', path)).toMatchObject({ ok: true });
});

it('leaves the account’s webhooks to its other numbers when the channel is deleted', async () => {
  await product.call('DELETE', `/v1/channels/${clubChannel.id}`);
  await eventually(async () => {
    const { data } = await product.call('GET', '/v1/channels');
    expect((data as { id: string }[]).map(({ id }) => id)).toEqual([shopChannel.id]);
  }, WAIT_MS);
  expect(club.account.subscribed).toBe(true);
});
